import type { MessageFilter, StoredMessage } from '../message-store.ts';
import { toShownMessage } from './delivery-row.ts';
import type { Dialect, Engine, Row } from './engine.ts';
import { boundsOf, boundsStep } from './list-bounds.ts';
import { buildListStep, type ListQuery } from './list-query.ts';
import { bySequence, integer } from './row-mapping.ts';

/** `before`: the sequence number at which the previous page ended. */
export interface PageQuery {
  limit: number;
  before?: number;
}

export interface FoundMessages {
  rows: Row[];
  /** Set if rows before this sequence number were not visited. */
  scannedTo?: number;
}

/** Reads the newest matching messages of one caller, one more than a page contains. */
export async function readMessages(
  { engine, dialect }: { engine: Pick<Engine, 'list'>; dialect: Dialect },
  { caller, filter }: { caller: string; filter: MessageFilter },
  page: PageQuery,
): Promise<FoundMessages> {
  const ask: ListQuery = { caller, filter, ...page, limit: page.limit + 1 };
  const bounding = boundsStep(dialect, ask);
  if (bounding === undefined) return { rows: await engine.list(buildListStep(dialect, ask)) };
  const bounds = boundsOf(await engine.list(bounding), ask);
  if (bounds === undefined) return { rows: [] };
  const { from, scannedTo } = bounds;
  const rows = await engine.list(buildListStep(dialect, { ...ask, from }));
  return { rows, ...(scannedTo !== undefined && { scannedTo }) };
}

/** Merges what was found for several callers into one page; `end` is where the next page starts, if there is one. */
export function pageOf(found: readonly FoundMessages[], limit: number): { messages: StoredMessage[]; end?: number } {
  // Beyond the end of the shortest scan the merged order is unknown.
  const scannedTo = Math.max(0, ...found.map((each) => each.scannedTo ?? 0));
  const rows = found
    .flatMap((each) => each.rows)
    .filter((row) => integer(row, 'seq') >= scannedTo)
    .sort((a, b) => bySequence(b, a));
  const messages = rows.slice(0, limit).map(toShownMessage);
  const last = rows[limit - 1];
  if (last !== undefined && rows.length > limit) return { messages, end: integer(last, 'seq') };
  return scannedTo > 0 ? { messages, end: scannedTo } : { messages };
}
