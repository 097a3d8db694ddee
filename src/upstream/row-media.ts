import { readMediaPath } from './media-path.ts';
import { asString, isObject, type JsonObject, parseJson } from './tolerant-reader.ts';

/** Rows of these types have a file. In rows of other types a text in `data` must look like a path. */
const carriers = new Set([
  ...['image', 'video', 'document', 'audio', 'voice', 'sticker'],
  ...['ptt', 'gif', 'file', 'media', 'media_placeholder', 'template'],
]);

/** A stored path, in contrast to a sentence. */
const strict = /^data\/[\w./-]{1,1000}$/;
const depthMax = 4;
const entriesMax = 32;
const jsonMax = 16_384;

/**
 * Where the file of a row is stored. `data` and `media` contain the path, an address at WATI that shows the file, or an object
 * or JSON that has either under some name.
 */
export function mediaPathOf(row: JsonObject): string | undefined {
  const isCarrier = carriers.has(asString(row.type)?.toLowerCase() ?? '');
  return [row.data, row.media, row.headerLink].map((value) => search(value, isCarrier, 0)).find(Boolean);
}

function search(value: unknown, isCarrier: boolean, depth: number): string | undefined {
  if (typeof value === 'string') return inText(value.trim(), isCarrier, depth);
  if (depth >= depthMax || typeof value !== 'object' || value === null) return undefined;
  const inner: unknown[] = Array.isArray(value) ? value : Object.values(value);
  for (const each of inner.slice(0, entriesMax)) {
    const found = search(each, isCarrier, depth + 1);
    if (found !== undefined) return found;
  }
  return undefined;
}

function inText(text: string, isCarrier: boolean, depth: number): string | undefined {
  if ((text.startsWith('{') || text.startsWith('[')) && text.length <= jsonMax) {
    const body = parseJson(text);
    return isObject(body) || Array.isArray(body) ? search(body, isCarrier, depth + 1) : undefined;
  }
  const bare = text.replace(/^\/{1,4}/, '');
  const reading = readMediaPath(bare);
  if ('fault' in reading || !/^data\//i.test(reading.path)) return undefined;
  // An address that shows a file is no sentence; neither is a path without blanks.
  return isCarrier || reading.path !== bare || strict.test(bare) ? reading.path : undefined;
}
