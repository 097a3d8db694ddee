/** What an edge in front of WATI answers: an HTML page, no JSON of WATI. */
export function htmlPage(title: string): string {
  return `<!DOCTYPE html>\n<html><head><title>${title}</title></head><body><h1>${title}</h1><hr>cloudflare</body></html>\n`;
}
