/*
 * Two million records for `npm run bench -- lists`, written in SQL that both databases understand: alternating single messages and
 * broadcasts of three callers, so that the newest rows are of all kinds.
 */

const SINGLES_A_CHUNK = 60_000;
const RECIPIENTS_A_CHUNK = 40_000;
export const CHUNKS = 20;
export const ROWS = CHUNKS * (SINGLES_A_CHUNK + RECIPIENTS_A_CHUNK);

export const START = Date.parse('2026-03-01T00:00:00Z');
/** Time between two single messages. */
export const STEP_MS = 2_000;
const CHUNK_MS = SINGLES_A_CHUNK * STEP_MS;

export interface SceneDialect {
  /** Returns a FROM clause with the numbers `i` from 0 to `n - 1`. */
  series: (n: number) => string;
}

export const sceneDialects = {
  sqlite: {
    series: (n) =>
      `(WITH RECURSIVE numbers (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM numbers WHERE i < ${n - 1}) SELECT i FROM numbers) AS n`,
  },
  postgres: { series: (n) => `generate_series(0::bigint, ${n - 1}) AS n (i)` },
} satisfies Record<string, SceneDialect>;

const columns = `id, caller, kind, recipient, connection_id, template, local_message_id, idem_route, idem_key, content_mac, broadcast_id,
  status, owner, attempts, failure_code, failure_detail, verdict_json, sent_at, created_at, updated_at, ended_at, reference`;

const status = (i: string): string => `CASE WHEN ${i} % 50 = 7 THEN 'rejected' WHEN ${i} % 100 = 13 THEN 'not_sent'
  WHEN ${i} % 200 = 21 THEN 'unknown' WHEN ${i} % 400 = 33 THEN 'cancelled' ELSE 'accepted' END`;

/** Every fifth single message goes to the same number, every tenth has the same reference; one template is rare. */
function singles({ series }: SceneDialect, chunk: number): string {
  const at = chunk * SINGLES_A_CHUNK;
  const time = `${START + chunk * CHUNK_MS} + i * ${STEP_MS}`;
  return `INSERT INTO sends (${columns})
    SELECT 's' || (${at} + i), CASE WHEN i % 10 = 9 THEN 'bank' WHEN i % 10 >= 7 THEN 'shop' ELSE 'crm' END,
      CASE WHEN i % 2 = 0 THEN 'text' ELSE 'template' END,
      CASE WHEN i % 5 = 0 THEN '4915100000000' ELSE '49151' || (10000000 + (${at} + i) * 7919 % 400000) END, 'c1',
      CASE WHEN i % 2 = 0 THEN NULL WHEN i % 20001 = 1 THEN 'rare' ELSE 'template_' || (i % 11) END, 's' || (${at} + i),
      CASE WHEN i % 3 = 0 THEN 'POST /v1/messages/text' WHEN i % 3 = 1 THEN 'POST /v1/messages/template' END,
      CASE WHEN i % 3 < 2 THEN 'key-' || (${at} + i) END, 'mac-0123456789abcdef0123456789abcdef-' || (${at} + i), NULL,
      ${status('i')}, 1, 1, CASE WHEN i % 50 = 7 THEN 'recipient' END, CASE WHEN i % 50 = 7 THEN 'not on WhatsApp' END,
      '{"outcome":"accepted","evidence":"answer","note":"as long as the verdict of a message usually is, or nearly"}',
      ${time}, ${time}, ${time}, ${time}, CASE WHEN i % 10 = 0 THEN 'newsletter' ELSE 'order-' || (${at} + i) END
    FROM ${series(SINGLES_A_CHUNK)}`;
}

/** The last broadcast is being recorded, and the one before it waits. */
function recipients({ series }: SceneDialect, chunk: number): string {
  const time = START + (chunk + 1) * CHUNK_MS;
  const isStaged = chunk >= CHUNKS - 2;
  return `INSERT INTO sends (${columns})
    SELECT 'r${chunk}-' || i, '${callerOf(chunk)}', 'template', '49151' || (10000000 + (${chunk} * 1000 + i) % 400000), 'c1',
      'campaign_${chunk % 4}', 'r${chunk}-' || i, NULL, NULL, NULL, 'b${chunk}',
      ${isStaged ? "'staged'" : status('i')}, 1, 1, NULL, NULL,
      ${isStaged ? 'NULL' : `'{"outcome":"accepted","evidence":"answer"}'`},
      ${isStaged ? 'NULL' : time}, ${time}, ${time}, ${isStaged ? 'NULL' : time},
      CASE WHEN i % 4 = 0 THEN 'campaign-${chunk}-' || i END
    FROM ${series(RECIPIENTS_A_CHUNK)}`;
}

const callerOf = (chunk: number): string => (chunk % 5 === 4 ? 'shop' : 'crm');

function broadcast(chunk: number): string[] {
  const time = START + (chunk + 1) * CHUNK_MS;
  const state =
    chunk === CHUNKS - 1 ? 'recording' : chunk === CHUNKS - 2 ? 'paused' : chunk % 7 === 3 ? 'cancelled' : 'done';
  const ended = chunk >= CHUNKS - 2 ? 'NULL' : String(time);
  return [
    `INSERT INTO broadcasts (id, caller, template, name, connection_id, status, owner, total, created_at, updated_at, ended_at)
      VALUES ('b${chunk}', '${callerOf(chunk)}', 'campaign_${chunk % 4}', 'n', 'c1', '${state}', 1, ${RECIPIENTS_A_CHUNK}, ${time}, ${time}, ${ended})`,
  ];
}

/** Most accepted messages have a delivery. */
const deliveries = `INSERT INTO deliveries (send_seq, caller, broadcast_id, rank, sent_at, delivered_at, read_at, replied_at, source, updated_at)
  SELECT seq, caller, broadcast_id, CASE WHEN seq % 97 = 0 THEN 2 WHEN seq % 3 = 0 THEN 4 WHEN seq % 5 = 0 THEN 1 ELSE 3 END,
    created_at, created_at, created_at, CASE WHEN seq % 211 = 0 THEN created_at END, 'webhook', created_at
  FROM sends WHERE status = 'accepted' AND seq % 6 > 0 ORDER BY seq`;

/** Yields the statements, in the order in which they must run. */
export function* sceneStatements(dialect: SceneDialect): Generator<string> {
  for (let chunk = 0; chunk < CHUNKS; chunk += 1) {
    yield singles(dialect, chunk);
    yield* broadcast(chunk);
    yield recipients(dialect, chunk);
  }
  yield deliveries;
}
