/** The HTML page that an edge in front of WATI returns instead of WATI's JSON. */
export function htmlPage(title: string): string {
  return `<!DOCTYPE html>\n<html><head><title>${title}</title></head><body><h1>${title}</h1><hr>cloudflare</body></html>\n`;
}
