import type { Dialect, Engine, Row } from './engine.ts';
import { boundsOf, boundsStep } from './list-bounds.ts';
import { type ListAsk, listStep } from './listing.ts';
import type { SendFilter, StoredSend } from './port.ts';
import { bySequence, integer, toSend } from './row.ts';

/** `before`: the sequence number at which the page before it ended. */
export interface PageAsk {
  limit: number;
  before?: number;
}

export interface FoundSends {
  rows: Row[];
  /** Set where rows before this one were not looked at. */
  walkedTo?: number;
}

/** The newest sends of one caller that match, one more than a page has. */
export async function readSends(
  { engine, dialect }: { engine: Pick<Engine, 'list'>; dialect: Dialect },
  { caller, filter }: { caller: string; filter: SendFilter },
  page: PageAsk,
): Promise<FoundSends> {
  const ask: ListAsk = { caller, filter, ...page, limit: page.limit + 1 };
  const bounding = boundsStep(dialect, ask);
  if (bounding === undefined) return { rows: await engine.list(listStep(dialect, ask)) };
  const bounds = boundsOf(await engine.list(bounding), ask);
  if (bounds === undefined) return { rows: [] };
  const { from, walkedTo } = bounds;
  const rows = await engine.list(listStep(dialect, { ...ask, from }));
  return { rows, ...(walkedTo !== undefined && { walkedTo }) };
}

/** One page of what was found of one caller or of several; `end` is where the next one goes on, if there is any. */
export function pageOf(found: readonly FoundSends[], limit: number): { sends: StoredSend[]; end?: number } {
  // Further than the one that looked the least far back, nothing is known of all.
  const walkedTo = Math.max(0, ...found.map((each) => each.walkedTo ?? 0));
  const rows = found
    .flatMap((each) => each.rows)
    .filter((row) => integer(row, 'seq') >= walkedTo)
    .sort((a, b) => bySequence(b, a));
  const sends = rows.slice(0, limit).map(toSend);
  const last = rows[limit - 1];
  if (last !== undefined && rows.length > limit) return { sends, end: integer(last, 'seq') };
  return walkedTo > 0 ? { sends, end: walkedTo } : { sends };
}
