/** Further members of a list are not read. */
const membersMax = 32;

/** A comma in quotes separates nothing; a quote that is not closed goes to the end. */
const memberPattern = /(?:[^,"]|"(?:[^"\\]|\\.)*"?)+/g;

/** The members of a header that is a list (RFC 9110, 5.6.1). */
export const listMembers = (header: string): string[] =>
  (header.match(memberPattern) ?? [])
    .slice(0, membersMax)
    .map((member) => member.trim())
    .filter((member) => member !== '');

/** `Prefer` (RFC 7240): names in small letters, with their values; the first of two of one name counts. */
export function preferences(header: string): Map<string, string> {
  const found = new Map<string, string>();
  for (const member of listMembers(header)) {
    // Neither `wait` nor `respond-async` has parameters (RFC 7240, 4), so what follows a semicolon is ignored.
    const [preference = ''] = member.split(';', 1);
    const { name, value } = pairOf(preference);
    if (!found.has(name)) found.set(name, value);
  }
  return found;
}

/** The urgency of `Priority` (RFC 9218); the last of two of one name counts (RFC 9651, 3.2). */
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
