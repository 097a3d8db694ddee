/** A header that is a list has no more members than that; what stands behind them is not read. */
const membersMax = 32;

/** The members of a header that is a list (RFC 9110, 5.6.1). A quoted comma is none of what these headers may say. */
export const listMembers = (header: string): string[] => header.split(',', membersMax).map((member) => member.trim());

/** `Prefer` (RFC 7240): names in small letters, with their values; of a name that stands twice, the first counts. */
export function preferences(header: string): Map<string, string> {
  const found = new Map<string, string>();
  for (const member of listMembers(header)) {
    // Parameters behind a semicolon are ignored; no known preference has any.
    const [preference = ''] = member.split(';', 1);
    const { name, value } = pairOf(preference);
    if (!found.has(name)) found.set(name, value);
  }
  return found;
}

/** The urgency of `Priority` (RFC 9218); of a name that stands twice, the last counts (RFC 9651, 3.2). */
export function urgencyOf(header: string): string | undefined {
  const pairs = listMembers(header).map(pairOf);
  return pairs.findLast(({ name }) => name === 'u')?.value;
}

/** `wait = "10"` -> wait and 10. */
function pairOf(member: string): { name: string; value: string } {
  const at = member.indexOf('=');
  if (at === -1) return { name: member.trim().toLowerCase(), value: '' };
  const value = member.slice(at + 1).trim();
  const isQuoted = value.length > 1 && value.startsWith('"') && value.endsWith('"');
  return { name: member.slice(0, at).trim().toLowerCase(), value: isQuoted ? value.slice(1, -1) : value };
}
