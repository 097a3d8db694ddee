/** One native call that callers may make. `segments` are literal, or `undefined` for a `{placeholder}`. */
export interface NativePath {
  method: string;
  segments: (string | undefined)[];
  /** The operator wrote `unsafe`: the call may send, or change webhooks, without any of this service's safeguards. */
  unsafe?: true;
}

/** Only the letters of a segment: to a lenient router `rotateToken.`, `rotate-token@x` and `ROTATETOKEN+` are the same. */
const lettersOf = (segment: string): string => segment.toLowerCase().replace(/[^a-z]/g, '');

/** It would disconnect the Maton connection, so no entry and no value of a placeholder may name it. */
export const rotatesToken = (segment: string): boolean => lettersOf(segment).includes('rotatetoken');

/** Calls that send, read all messages or renew credentials require the word `unsafe`. */
export const isPerilous = (segment: string): boolean => /^(send|webhook|rotate)/.test(lettersOf(segment));

const entryForm = /^(unsafe )?(GET|POST|PUT|PATCH|DELETE) (\/api(?:\/(?:[A-Za-z0-9_-][A-Za-z0-9._-]*|\{\w{1,64}\}))+)$/;

/** Parses `METHOD /api/...`, separated by commas. Adds what is wrong with an entry to `faults`. */
export function readNativePaths(value: string, faults: string[]): NativePath[] {
  const entries = value.split(',').map((entry) => entry.trim());
  return entries.filter(Boolean).flatMap((entry) => {
    const [, unsafe, method, path] = (entry.length <= 1_024 && entryForm.exec(entry)) || [];
    if (method === undefined || path === undefined) {
      faults.push(`NATIVE_PATHS: "${entry}" is not "METHOD /api/..." (segments of letters, digits, . _ -, or {name})`);
      return [];
    }
    const segments = path.slice(1).split('/');
    const fault = faultOf(segments, unsafe !== undefined);
    if (fault !== undefined) {
      faults.push(`NATIVE_PATHS: ${fault}`);
      return [];
    }
    const named = segments.map((segment) => (segment.startsWith('{') ? undefined : segment));
    return [{ method, segments: named, ...(unsafe !== undefined && { unsafe: true }) }];
  });
}

function faultOf(segments: readonly string[], isUnsafe: boolean): string | undefined {
  if (segments.some(rotatesToken)) return 'rotateToken can never be named, it would break the connection';
  // api, perhaps ext, the version, and then the operation.
  const operationAt = segments[1] === 'ext' ? 3 : 2;
  if (segments.slice(0, operationAt + 1).some((segment) => segment.startsWith('{'))) {
    return 'a placeholder stands for a value, not for the operation: name that';
  }
  const perilous = isUnsafe ? undefined : segments.find(isPerilous);
  if (perilous === undefined) return undefined;
  return `"${perilous}" sends or changes webhooks or tokens without a record; say "unsafe METHOD /api/..." if that is meant`;
}
