import { malformed } from './upload-error.ts';

/** One `; name=value`. A backslash escapes only a quote and itself, because browsers write paths with plain backslashes. */
const PARAMETER = /;[ \t]*([\w!#$%&'*+.^`|~-]+)=(?:"((?:[^"\\]|\\["\\]|\\(?!["\\]))*)"|([^\s";]+))[ \t]*/y;

export interface HeaderValue {
  /** Lower case, without parameters. */
  value: string;
  /** Names in lower case. */
  parameters: ReadonlyMap<string, string>;
}

/**
 * Reads `value; name=token; name="quoted"`, as Content-Type and Content-Disposition have it.
 *
 * @throws UploadError `malformed` for anything else, and for a parameter given twice: two readers would take
 * different ones
 */
export function parseHeaderValue(text: string, what: string): HeaderValue {
  const semicolon = text.indexOf(';');
  const value = (semicolon === -1 ? text : text.slice(0, semicolon)).trim().toLowerCase();
  const parameters = new Map<string, string>();
  let at = semicolon === -1 ? text.length : semicolon;
  while (at < text.length) {
    PARAMETER.lastIndex = at;
    const match = PARAMETER.exec(text);
    const name = match?.[1]?.toLowerCase();
    if (!match || name === undefined) throw malformed(`${what} cannot be read`);
    if (parameters.has(name)) throw malformed(`${what} has two parameters "${name}"`);
    parameters.set(name, match[3] ?? (match[2] ?? '').replace(/\\(["\\])/g, '$1'));
    at = PARAMETER.lastIndex;
  }
  return { value, parameters };
}
