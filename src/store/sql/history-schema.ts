/**
 * History that the row of a message no longer contains: attempts that were requeued, and outcomes that were replaced. Both are rare.
 * Times are wall clock.
 */
export const historyTable = (sequence: 'INTEGER' | 'BIGINT'): string => `
CREATE TABLE send_history (
  send_seq ${sequence} NOT NULL REFERENCES sends (seq) ON DELETE CASCADE,
  attempt INTEGER NOT NULL,
  event TEXT NOT NULL,
  at BIGINT NOT NULL,
  sent_at BIGINT,
  code TEXT,
  detail TEXT,
  PRIMARY KEY (send_seq, attempt, event)
)`;

const REPLACED = "old.status IN ('unknown', 'rejected', 'not_sent') AND new.status <> old.status";
const keep = `
  INSERT INTO send_history (send_seq, attempt, event, at, sent_at, code, detail)
  VALUES (old.seq, old.attempts, old.status, old.updated_at, old.sent_at, old.failure_code, old.failure_detail)
  ON CONFLICT DO NOTHING;`;

export const sqliteHistoryTrigger = `
CREATE TRIGGER sends_replaced AFTER UPDATE OF status ON sends WHEN ${REPLACED} BEGIN ${keep} END`;

export const postgresHistoryTrigger: readonly string[] = [
  `CREATE FUNCTION keep_replaced_outcome() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN ${keep} RETURN NULL; END $$`,
  `CREATE TRIGGER sends_replaced AFTER UPDATE OF status ON sends FOR EACH ROW WHEN (${REPLACED})
     EXECUTE FUNCTION keep_replaced_outcome()`,
];
