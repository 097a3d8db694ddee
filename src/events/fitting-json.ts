import { cutText } from '../lib/cut-text.ts';
import { isObject } from '../lib/is-object.ts';

/** Lengths to which texts are truncated, tried in this order. No id is longer than the last. */
const lengths = [4_096, 2_048, 1_024, 512, 256];

/** Serializes an object, with its longest texts truncated so that it fits. Throws if even that is too long. */
export function fittingJson(value: Readonly<Record<string, unknown>>, bytesMax: number): string {
  for (const length of [Number.POSITIVE_INFINITY, ...lengths]) {
    const text = JSON.stringify(Number.isFinite(length) ? shortened(value, length) : value);
    if (Buffer.byteLength(text) <= bytesMax) return text;
  }
  throw new Error('it is too long for an event');
}

function shortened(value: unknown, length: number): unknown {
  if (typeof value === 'string') return cutText(value, length);
  if (Array.isArray(value)) return value.map((each) => shortened(each, length));
  if (!isObject(value)) return value;
  const cut = Object.fromEntries(Object.entries(value).map(([name, each]) => [name, shortened(each, length)]));
  // `received` has a flag for truncated text.
  const isCut = typeof value.text === 'string' && 'routedBy' in value && value.text.length > length;
  return isCut ? { ...cut, truncated: true } : cut;
}
