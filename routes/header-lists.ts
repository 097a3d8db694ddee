/** Only this many members of a list are read. */
const membersMax = 32;

/** Matches one member: a comma within quotes does not separate, and an unclosed quote extends to the end of the header. */
const memberPattern = /(?:[^,"]|"(?:[^"\\]|\\.)*"?)+/g;

/** Splits a header that is a comma-separated list (RFC 9110, 5.6.1) into its members. */
export const listMembers = (header: string): string[] =>
  (header.match(memberPattern) ?? [])
    .slice(0, membersMax)
    .map((member) => member.trim())
    .filter((member) => member !== '');

/**
 * Parses `Prefer` (RFC 7240) into preferences and their values. Names are in lower case; if a name is given twice, the first
 * one counts.
 */
export function preferences(header: string): Map<string, string> {
  const found = new Map<string, string>();
  for (const member of listMembers(header)) {
    // Neither `wait` nor `respond-async` has parameters (RFC 7240, 4), so everything after a semicolon is ignored.
    const [preference = ''] = member.split(';', 1);
    const { name, value } = pairOf(preference);
    if (!found.has(name)) found.set(name, value);
  }
  return found;
}

/** The urgency in `Priority` (RFC 9218). If it is given twice, the last one counts (RFC 9651, 3.2). */
export function urgencyOf(header: string): string | undefined {
  const pairs = listMembers(header).map(pairOf);
  return pairs.findLast(({ name }) => name === 'u')?.value;
}

/** Splits `wait = "10"` into the name `wait` and the value `10`. */
function pairOf(member: string): { name: string; value: string } {
  const at = member.indexOf('=');
  if (at === -1) return { name: member.trim().toLowerCase(), value: '' };
  const value = member.slice(at + 1).trim();
  const isQuoted = value.length > 1 && value.startsWith('"') && value.endsWith('"');
  return { name: member.slice(0, at).trim().toLowerCase(), value: isQuoted ? value.slice(1, -1) : value };
}
