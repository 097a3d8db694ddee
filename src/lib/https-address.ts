/** Why WATI could not fetch this address, in words; undefined: it could. */
export function httpsFault(text: string): string | undefined {
  if (/^http:/i.test(text)) return 'begins with http://: only https:// is taken';
  if (!/^https:\/\//i.test(text)) return 'must be a whole address that begins with https://';
  if (/\s/.test(text)) return 'has a blank in it: write it as %20';
  const [authority = ''] = text.slice('https://'.length).split(/[/?#]/, 1);
  if (authority === '') return 'has no host behind https://';
  if (authority.includes('@')) return 'has a user name or password in front of its host, which is not taken';
  if (authority.includes('\\')) return 'has a backslash in its host';
  return URL.canParse(text) ? undefined : 'is no address that can be read: look at its host and port';
}
