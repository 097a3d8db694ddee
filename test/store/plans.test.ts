import type { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { AllBroadcastsFilter } from '../../src/store/operator-store.ts';
import { recipientReads } from '../../src/store/sql/broadcast-recipients.ts';
import { broadcastReads } from '../../src/store/sql/broadcast-statements.ts';
import type { Statement } from '../../src/store/sql/engine.ts';
import { listBroadcastsStep, operatorStatements } from '../../src/store/sql/operator-statements.ts';
import { personStatements } from '../../src/store/sql/person-statements.ts';
import { queueStatements } from '../../src/store/sql/queue-statements.ts';
import { reconcileStatements } from '../../src/store/sql/reconciliation.ts';
import { recoveryStatements } from '../../src/store/sql/recovery-statements.ts';
import { sqliteDialect } from '../../src/store/sqlite/dialect.ts';
import { openDatabase } from '../../src/store/sqlite/file.ts';

/** Checks that SQLite finds records by an index, without reading a million recipients for one of them. */
describe('SQLite: the query plan', () => {
  let db: DatabaseSync;
  beforeAll(() => {
    db = openDatabase(':memory:');
  });
  afterAll(() => db.close());

  const planOf = (statement: Statement): string[] =>
    db
      .prepare(`EXPLAIN QUERY PLAN ${statement.positional}`)
      .all(...statement.names.map(() => null))
      .map(({ detail }) => String(detail));
  const walks = (plan: readonly string[]) => plan.filter((step) => /^(SEARCH|SCAN) sends\b/.test(step));

  test('of a read of a broadcast uses its tallies and reasons, and no recipient', () => {
    const { find, countRejections: rejections } = broadcastReads;
    for (const step of [...planOf(find), ...planOf(rejections)]) expect(step).not.toMatch(/\bsends\b|^SCAN (?!chosen)/);
    expect(planOf(rejections)).toEqual([expect.stringMatching(/SEARCH broadcast_reasons .*\(broadcast_id=\?\)/)]);
  });

  test('of a page of a report reads only the recipients of that page, by their broadcast', () => {
    const { report, countOptedOut } = recipientReads(sqliteDialect);
    const plan = walks(planOf(report));
    expect(plan).toEqual([
      expect.stringContaining('USING INDEX sends_broadcast (broadcast_id=? AND seq>?)'),
      expect.stringContaining('USING INDEX sends_staged (broadcast_id=? AND seq>?)'),
    ]);
    expect(planOf(report).filter((step) => /TEMP B-TREE/.test(step)).length).toBeLessThan(3);
    expect(walks(planOf(countOptedOut))).toEqual([expect.stringContaining('(caller=? AND recipient=?)')]);
  });

  test('of reconciliation uses the index of due messages, of the person, or of the broadcast', () => {
    const { lookFirst, look, lookBeside, left, askBatch, askEach, lostCalls, due, looked } =
      reconcileStatements(sqliteDialect);
    const first = (statement: Statement) => walks(planOf(statement)).filter((step) => !step.includes('rowid=?'));
    for (const [{ hasDue, takeDue }, index] of [
      [lookFirst, 'sends_look_first (next_look_at'],
      [look, 'sends_look (next_look_at'],
      [lookBeside, 'sends_twins (recipient=?'],
    ] as const) {
      for (const one of [hasDue, takeDue]) expect(first(one)).toEqual([expect.stringContaining(index)]);
    }
    for (const ofBroadcast of [askBatch, askEach]) {
      expect(first(ofBroadcast)).toEqual([
        expect.stringContaining('sends_failed (broadcast_id=? AND status=? AND seq>?'),
      ]);
    }
    expect(first(left)).toEqual([expect.stringContaining('sends_sought (broadcast_id=? AND <expr><?)')]);
    expect(first(lostCalls)).toEqual([expect.stringContaining('sends_lost (broadcast_id=?')]);
    expect(first(due)).toEqual([expect.stringContaining('COVERING INDEX sends_look')]);
    expect(first(looked)).toEqual([expect.stringContaining('(id=?)')]);
  });

  test('of operators’ queries skips from caller to caller, and reads no row that it does not count', () => {
    const {
      listCallers: callers,
      summarizeWork: work,
      countOpenBroadcasts,
      cancelQueued,
      cancelBroadcasts,
    } = operatorStatements(sqliteDialect);
    const scans = (statement: Statement) => planOf(statement).filter((step) => /^SCAN (sends|broadcasts)\b/.test(step));
    for (const statement of [callers, work, countOpenBroadcasts, cancelQueued, cancelBroadcasts]) {
      expect(scans(statement), statement.named).toEqual([]);
    }
    for (const step of walks(planOf(callers))) expect(step).toMatch(/INDEX sends_caller \(caller[>]\?\)/);
    const counted = walks(planOf(work)).filter((step) => step.includes('status=?'));
    expect(counted).toEqual(Array(3).fill(expect.stringContaining('sends_status (caller=? AND status=?)')));
    expect(walks(planOf(cancelQueued))).toContainEqual(expect.stringContaining('sends_status (caller=? AND status=?)'));
  });

  test.each(['count', 'cancel', 'erase'] as const)(
    'of the records of one person uses the index of caller and recipient: %s',
    (verb) => {
      const steps = walks(planOf(personStatements(sqliteDialect)[verb]));
      expect(steps).toContainEqual(expect.stringContaining('(caller=? AND recipient=?'));
      for (const step of steps) expect(step).toMatch(/\(caller=\? AND recipient=\?|\(rowid=\?\)|INTEGER PRIMARY KEY/);
    },
  );

  test.each<[AllBroadcastsFilter, string]>([
    [{ status: 'done' }, 'broadcasts_status (status=?'],
    [{ status: 'running', caller: 'crm' }, 'broadcasts_caller_status (caller=? AND status=?'],
    [{ caller: 'crm' }, 'broadcasts_caller (caller=?'],
  ])('of a page of all broadcasts goes by what is asked: %j', (filter, index) => {
    const plan = planOf(listBroadcastsStep(filter, 10, 99).statement);
    expect(plan).toContainEqual(expect.stringContaining(index));
  });

  test.each([
    'markOrphansUnknown',
    'failOrphanStreams',
    'listQueues',
    'listQueuesAfter',
    'adoptOrphans',
    'listOwnQueued',
    'countQueued',
    'countQueuedOf',
  ] as const)('of %s goes by the index of what is queued, or being sent', (name) => {
    const plan = planOf({ ...queueStatements(sqliteDialect), ...recoveryStatements(sqliteDialect) }[name]);
    const steps = plan.filter((step) => /^(SEARCH|SCAN) (sends|later|here)\b/.test(step));
    expect(steps.length).toBeGreaterThan(0);
    for (const step of steps) expect(step).toMatch(/sends_queued|sends_streams|sends_sending|INTEGER PRIMARY KEY/);
    // The condition must use all columns before the last; otherwise it reads a whole lane.
    const laterSteps = steps.filter((step) => step.includes(' later '));
    const behind = [/caller=\? AND connection_id=\? AND owner>\?/, /caller=\? AND connection_id>\?/, /caller>\?/];
    for (const [at, step] of laterSteps.slice(-3).entries()) expect(step).toMatch(behind[at] ?? '');
    if (name === 'adoptOrphans' || name === 'listOwnQueued') expect(plan.join()).not.toContain('TEMP B-TREE');
  });
});
