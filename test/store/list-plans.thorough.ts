import type { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { MessageFilter } from '../../src/store/message-store.ts';
import type { Statement } from '../../src/store/sql/engine.ts';
import { rangeStep } from '../../src/store/sql/list-bounds.ts';
import { exactStep, messagesStep, reachStep, sequencesStep } from '../../src/store/sql/list-query.ts';
import { planOf, type Way } from '../../src/store/sql/list-ways.ts';
import { sqliteDialect } from '../../src/store/sqlite/dialect.ts';
import { openDatabase } from '../../src/store/sqlite/file.ts';
import { combinations } from './list-filters.ts';

/** Checks that SQLite finds the messages of any list by an index, in its order, within a range of sequence numbers. */
describe('SQLite: the query plan of a list', () => {
  let db: DatabaseSync;
  beforeAll(() => {
    db = openDatabase(':memory:');
  });
  afterAll(() => db.close());

  const planned = new Map<string, string[]>();
  const explain = ({ positional, names }: Statement): string[] => {
    const known = planned.get(positional);
    if (known) return known;
    const rows = db.prepare(`EXPLAIN QUERY PLAN ${positional}`).all(...names.map(() => null));
    const plan = rows.map(({ detail }) => String(detail));
    planned.set(positional, plan);
    return plan;
  };
  const ask = (filter: MessageFilter) => ({ caller: 'crm', filter, limit: 51, before: 9, from: 0, visits: 10 });
  const walks = (plan: readonly string[]) =>
    plan.filter((step) => /^(SEARCH|SCAN) (sends|deliveries|broadcasts)\b/.test(step));

  /** Matches a lookup of one row by its number or id, or a range of an index between two numbers. */
  const bounded =
    /\((rowid=\?|id=\?)\)$|INTEGER PRIMARY KEY \(rowid=\?\)|\((\w+=\? AND )+(send_)?seq>\? AND (send_)?seq<\?\)$/;
  /** The first route of a caller, the next one, and the key of one. */
  const byKey = /sends_key \(caller=\?( AND idem_route>\?| AND idem_route=\? AND idem_key=\?)?\)$/;
  /** The few broadcasts of a caller that have not ended. */
  /** Those of one call, a thousand at most. */
  const byCall = /sends_lost_call \(lost_call=\?\)$/;
  const open = /broadcasts USING INDEX broadcasts_(open|caller_status)|broadcasts USING INDEX \S+ \(id=\?\)/;

  function assertBounded(statement: Statement): string[] {
    const plan = explain(statement);
    for (const step of walks(plan))
      expect(
        [bounded, open, byKey, byCall].some((each) => each.test(step)),
        `${step}\n${statement.named}`,
      ).toBe(true);
    return plan;
  }

  const indexOf = (way: Way, filter: MessageFilter): string => {
    const plan = assertBounded(sequencesStep(sqliteDialect, { parts: way }, ask(filter)).statement);
    // Each part of a union is in order, and so is the union.
    for (const { index } of way) expect(plan.join('\n')).toContain(`INDEX ${index} (`);
    if (way.length === 1 && way[0]?.of === undefined) {
      expect(plan.filter((step) => step.includes('TEMP B-TREE')).length).toBeLessThanOrEqual(1);
    }
    return way.map(({ index }) => index).join(' + ');
  };

  test('uses an index of one of the filters, for any combination of filters', () => {
    const used = new Set<string>();
    let asked = 0;
    for (const filter of combinations()) {
      asked += 1;
      const plan = planOf(filter);
      assertBounded(reachStep(sqliteDialect, plan, ask(filter)).statement);
      for (const way of plan.recorded) used.add(indexOf(way, filter));
      for (const way of plan.staged?.ways ?? []) used.add(indexOf(way, filter));
      if (plan.staged?.ways.length === 0) {
        const byBroadcast = { parts: [], byBroadcast: plan.staged.states };
        assertBounded(sequencesStep(sqliteDialect, byBroadcast, ask(filter)).statement);
      }
    }
    expect(asked).toBe(1_024);
    expect([...used].sort()).toEqual([
      'deliveries_broadcast',
      'deliveries_rank',
      'deliveries_replied',
      'sends_broadcast',
      'sends_caller + sends_claimed',
      'sends_failed',
      'sends_recipient',
      'sends_reference',
      'sends_status',
      // The stored statuses that are shown as queued.
      'sends_status + sends_status',
      'sends_template',
    ]);
  });

  test('finds a message by its id, those of a lost call, and those under a key by the routes of the caller', () => {
    const exact = (filter: MessageFilter) => walks(assertBounded(exactStep(sqliteDialect, ask(filter)).statement));
    for (const filter of combinations()) {
      // The same conditions as above, each checked on the few rows that are found.
      if (Object.keys(filter).length < 3) exact({ id: 'a', ...filter });
    }
    expect(exact({ lostCall: 'a' })).toContainEqual(expect.stringContaining('sends_lost_call (lost_call=?)'));
    expect(exact({ id: 'a' })).toContainEqual(expect.stringMatching(/^SEARCH sends .*\(id=\?\)$/));
    const keys = exact({ idempotencyKey: 'k' }).filter((step) => step.includes('sends_key'));
    expect(keys).toContainEqual(expect.stringContaining('(caller=? AND idem_route=? AND idem_key=?)'));
    expect(keys).toContainEqual(expect.stringContaining('(caller=? AND idem_route>?)'));
  });

  test('finds the ends of a period by the indexes on time, and reads one row at each end of a broadcast', () => {
    const times = [{ since: '2026-03-01T00:00:00Z' }, { until: '2026-03-01T00:00:00Z' }];
    for (const filter of [...times, { ...times[0], ...times[1] }]) {
      for (const step of walks(explain(rangeStep(ask(filter)).statement))) {
        expect(step).toMatch(
          /(sends|broadcasts)_created \(caller=\? AND created_at|sends_(broadcast|staged) \(broadcast_id=\?/,
        );
      }
    }
  });

  test('reads the messages of a page by their numbers', () => {
    const plan = walks(explain(messagesStep(sqliteDialect, [1]).statement));
    for (const step of plan) expect(step).toMatch(/\(rowid=\?\)|\(id=\?\)/);
  });
});
