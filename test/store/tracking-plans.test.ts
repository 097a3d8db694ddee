import type { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { conversationStatements } from '../../src/store/sql/conversation-statements.ts';
import type { Statement } from '../../src/store/sql/engine.ts';
import { intakeStatements } from '../../src/store/sql/intake-statements.ts';
import { pollStatements } from '../../src/store/sql/poll-statements.ts';
import { trackingStatements } from '../../src/store/sql/tracking-statements.ts';
import { sqliteDialect } from '../../src/store/sqlite/dialect.ts';
import { openDatabase } from '../../src/store/sqlite/file.ts';

/** Checks that no query reads a million webhooks or messages to find one of them. */
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
  const all = [
    ...Object.entries(intakeStatements(sqliteDialect)),
    ...Object.entries(trackingStatements(sqliteDialect)),
    ...Object.entries(conversationStatements(sqliteDialect)),
    ...Object.entries(pollStatements(sqliteDialect)),
  ];
  /** Rare statements, which may read all waiting webhooks, or the few messages that are polled. */
  const rare = ['countPerson', 'listPerson', 'erasePerson', 'erase', 'expireCalls', 'expireSpent', 'expireWatch'];

  test.each(all.filter(([name]) => !rare.includes(name)))('of %s scans no table', (_, statement) => {
    const few = /INDEX intake_(due|failed)/;
    const scans = /^SCAN (sends|intake|deliveries|conversations|tracking)\b/;
    for (const step of planOf(statement)) expect(scans.test(step) && !few.test(step), step).toBe(false);
  });

  test('of a webhook finds its message by an index of each id', () => {
    const plan = planOf(trackingStatements(sqliteDialect).find).filter((step) => /SEARCH (sends|named)/.test(step));
    const byNumber = expect.stringContaining('(rowid=?)');
    expect(plan).toEqual([
      byNumber,
      expect.stringContaining('(id=?)'),
      byNumber,
      expect.stringContaining('sends_local_id (local_message_id=?)'),
      byNumber,
      expect.stringContaining('sends_whatsapp_id (whatsapp_message_id=?)'),
      byNumber,
      byNumber,
      expect.stringContaining('deliveries_wati (wati_id=?)'),
    ]);
    const [byContent] = planOf(trackingStatements(sqliteDialect).findByContent);
    expect(byContent).toContain('sends_twins (recipient=? AND sent_at>? AND sent_at<?)');
  });

  test('of due entries uses the index of owner and time', () => {
    const { due, hasLost, expire } = intakeStatements(sqliteDialect);
    expect(planOf(due)).toEqual([expect.stringContaining('intake_due (owner=? AND next_at<?)')]);
    expect(planOf(hasLost)[0]).toContain('intake_due (owner=? AND next_at<?)');
    expect(planOf(expire).join()).toContain('intake_recorded (recorded_at<?)');
  });

  test('of the backlog counts no more than 10,000 of the entries that were set aside', () => {
    db.exec(`WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 10001)
      INSERT INTO intake (key, connection_id, received_at, recorded_at, owner, state, next_at)
      SELECT n, 'c1', 0, 0, 1, 'failed', 0 FROM numbers`);
    const { positional, names } = intakeStatements(sqliteDialect).state;
    expect(db.prepare(positional).get(...names.map(() => 0))).toMatchObject({ failed: 10_000 });
  });
});
