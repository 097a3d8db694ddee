import { Problem } from '../problem.ts';
import { reasonOf } from './answers/reason.ts';
import { successOf } from './answers/success-flags.ts';
import { BodyRejectedError } from './body-rejected-error.ts';
import { isUnknownContact, refusedProblem, unrecognizedResponse } from './client.ts';
import { asString, isObject, type JsonObject } from './tolerant-reader.ts';

/** The page that is requested. */
export interface PageRequest {
  pageNumber: number;
  pageSize: number;
}

/** WATI's paging information. */
export interface Link {
  total: number | undefined;
  /** The page size that WATI used, which may be smaller than the requested one. */
  pageSize: number | undefined;
  /** Undefined: WATI does not report a total. */
  hasNext: boolean | undefined;
  hasPrevious: boolean;
}

export interface Page<Item> {
  items: readonly Item[];
  /** The number of entries that WATI sent, including those that cannot be parsed. */
  sent: number;
  link: Link;
}

/** The entries of a list. `null` in a success is an empty list; a refusal, or an answer without a list, is thrown as a Problem. */
export function entriesIn(body: JsonObject, value: unknown): readonly unknown[] {
  const said = successOf(body);
  if (Array.isArray(value) && said !== 'no') return value;
  const reason = reasonOf(body, '');
  if (said === 'no' || isUnknownContact(reason)) throw refusedProblem(200, reason);
  if (value === null && said === 'yes') return [];
  throw unrecognizedResponse(200);
}

export function linkIn(body: JsonObject): Link {
  const link = isObject(body.link) ? body.link : {};
  const pageSize = count(link.pageSize);
  return {
    total: count(link.total),
    pageSize: pageSize === 0 ? undefined : pageSize,
    hasNext: 'nextPage' in link ? asString(link.nextPage) !== undefined : undefined,
    hasPrevious: asString(link.prevPage) !== undefined,
  };
}

/** Some tenants answer with numbers, some with texts. */
function count(value: unknown): number | undefined {
  const number = typeof value === 'string' && /^\d{1,9}$/.test(value.trim()) ? Number(value) : value;
  return typeof number === 'number' && Number.isSafeInteger(number) && number >= 0 ? number : undefined;
}

interface WalkOptions<Item> {
  pageSize: number;
  pagesMax: number;
  /** Some tenants repeat a page for ever, so a page without new entries is the last one. */
  keyOf: (item: Item) => string;
}

/** Reads page after page, as long as WATI reports another one. */
export async function* pagesOf<Item>(
  read: (ask: PageRequest) => Promise<Page<Item>>,
  { pageSize, pagesMax, keyOf }: WalkOptions<Item>,
): AsyncGenerator<readonly Item[]> {
  const seen = new Set<string>();
  let received = 0;
  for (let pageNumber = 1; pageNumber <= pagesMax; pageNumber += 1) {
    const page = await read({ pageNumber, pageSize });
    const { items, sent, link } = page;
    // Some tenants count from 0; then there is a page before the first one.
    if (pageNumber === 1 && (link.hasPrevious || (sent === 0 && (link.total ?? 0) > 0))) {
      const before = await read({ pageNumber: 0, pageSize });
      received += before.sent;
      for (const item of before.items) seen.add(keyOf(item));
      yield before.items;
    }
    const known = seen.size;
    for (const item of items) seen.add(keyOf(item));
    received += sent;
    if (sent === 0) return;
    yield items;
    if (items.length > 0 && seen.size === known) return;
    if (link.total !== undefined ? received >= link.total : !(link.hasNext ?? sent >= (link.pageSize ?? pageSize)))
      return;
  }
}

/** The answer to a read was longer than the limit. */
const isTooLong = (error: unknown): boolean =>
  error instanceof Problem && error.cause instanceof BodyRejectedError && error.cause.code === 'ANSWER_TOO_LONG';

/** Repeats a read with smaller pages if a page was longer than the limit. */
export async function inSmallerPages<Value>(
  sizes: readonly [number, number],
  read: (pageSize: number) => Promise<Value>,
): Promise<Value> {
  const [first, second] = sizes;
  return read(first).catch((error: unknown) => {
    if (isTooLong(error)) return read(second);
    throw error;
  });
}

/** Converts a page that was too long into a Problem that suggests a smaller one. Throws. */
export function asPageTooLong(error: unknown, pageSize: number): never {
  if (!(error instanceof Problem) || !isTooLong(error)) throw error;
  const remedy =
    pageSize === 1
      ? 'and holds one entry alone'
      : `ask again with a pageSize of less than ${pageSize}, such as ${Math.ceil(pageSize / 4)}`;
  const detail = `this page is longer than the 4 MiB that are read of one: ${remedy}`;
  throw new Problem('upstream-invalid', detail, error.extras);
}
