import type { StoreOptions } from '../options.ts';
import type { Dialect, Step } from './engine.ts';
import { eventStatements } from './event-statements.ts';

const RETENTION_MS = 7 * 24 * 60 * 60_000;

/** Notes the highest number of each caller, then deletes. */
export function expireEventSteps(
  dialect: Dialect,
  { eventRetentionMs = RETENTION_MS }: Pick<StoreOptions, 'eventRetentionMs'>,
  limit: number,
): Step[] {
  const { notePurged, expire } = eventStatements(dialect);
  return [notePurged, expire].map((statement) => ({ statement, values: { eventRetentionMs, limit } }));
}
