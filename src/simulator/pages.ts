/** What an edge in front of WATI answers: a page, no WATI body (upstream.md, 3.0). */
export function htmlPage(title: string): string {
  return `<!DOCTYPE html>\n<html><head><title>${title}</title></head><body><h1>${title}</h1><hr>cloudflare</body></html>\n`;
}
