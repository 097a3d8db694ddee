import type { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { broadcastStatements } from '../../src/store/broadcast-statements.ts';
import type { Statement } from '../../src/store/engine.ts';
import { listStep } from '../../src/store/listing.ts';
import type { SendFilter } from '../../src/store/port.ts';
import { sqliteDialect } from '../../src/store/sqlite/engine.ts';
import { openDatabase } from '../../src/store/sqlite/file.ts';

/** How SQLite finds what it is asked for: a million recipients must not be walked for one of them. */
describe('SQLite: the plan', () => {
  let db: DatabaseSync;
  beforeAll(() => {
    db = openDatabase(':memory:');
  });
  afterAll(() => db.close());

  const planOf = (statement: Statement): string[] =>
    db
      .prepare(`EXPLAIN QUERY PLAN ${statement.marked}`)
      .all(...statement.places.map(() => null))
      .map(({ detail }) => String(detail));
  const list = (filter: SendFilter) => planOf(listStep(sqliteDialect, 'crm', filter, { limit: 10 }).statement);
  const walks = (plan: readonly string[]) => plan.filter((step) => /^(SEARCH|SCAN) sends\b/.test(step));

  test.each<SendFilter>([
    { to: '491' },
    { to: '491', broadcastId: 'b' },
    { to: '491', broadcastId: 'b', status: 'queued' },
    { to: '491', broadcastId: 'b', since: '2026-03-01T00:00:00Z' },
  ])('of a list with a recipient goes by that: %j', (filter) => {
    for (const step of walks(list(filter))) expect(step).toContain('(caller=? AND recipient=?');
    expect(walks(list(filter)).length).toBeGreaterThan(0);
  });

  test.each<[SendFilter, string]>([
    [{ broadcastId: 'b' }, 'sends_broadcast (broadcast_id=?)'],
    [{ broadcastId: 'b', status: 'accepted' }, 'sends_broadcast (broadcast_id=?)'],
    [{ broadcastId: 'b', status: 'rejected' }, 'sends_failed (broadcast_id=? AND status=?)'],
    [{ broadcastId: 'b', status: 'not_sent' }, 'sends_failed (broadcast_id=? AND status=?)'],
    [{ broadcastId: 'b', status: 'unknown' }, 'sends_failed (broadcast_id=? AND status=?)'],
    [{ broadcastId: 'b', status: 'cancelled' }, 'sends_failed (broadcast_id=? AND status=?)'],
    // Of those a caller has few.
    [{ broadcastId: 'b', status: 'queued' }, 'sends_status (caller=? AND status=?)'],
    [{ broadcastId: 'b', status: 'sending' }, 'sends_status (caller=? AND status=?)'],
  ])('of the recipients of a broadcast goes by that, those that wait aside: %j', (filter, index) => {
    const [settled, ...staged] = walks(list(filter));
    expect(settled).toBe(`SEARCH sends USING INDEX ${index}`);
    for (const step of staged) expect(step).toMatch(/sends_staged|\(rowid=\?\)/);
  });

  test('of the reasons of a broadcast reads those of its own that were rejected, and only in the index', () => {
    const plan = planOf(broadcastStatements(sqliteDialect).rejections);
    expect(plan).toEqual([expect.stringContaining('USING COVERING INDEX sends_rejected (broadcast_id=?)')]);
  });
});
