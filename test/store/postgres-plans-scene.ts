import type pg from 'pg';

/** Records inserted before the statistics are taken that stay those of a small database. */
const FIRST = 200;
const CHUNK = 100_000;

const send = `id, caller, kind, recipient, connection_id, template, idem_route, idem_key, content_mac, broadcast_id, status, owner,
  attempts, failure_code, verdict_json, sent_at, created_at, updated_at, ended_at, reference, call_json, looks, lost_call, next_look_at`;

/** By twentieths: single messages, recipients of broadcasts that run, wait, and are done, and messages that failed or are held. */
const sends = (from: number, until: number): string => `
  INSERT INTO sends (${send})
  SELECT 's' || i, CASE WHEN k = 15 THEN 'held' WHEN i % 7 = 0 THEN 'shop' ELSE 'crm' END, CASE WHEN i % 2 = 0 THEN 'text' ELSE 'template' END,
    CASE WHEN i % 9 = 0 THEN '49151' ELSE '49' || i % 400000 END, 'c1', CASE WHEN i % 2 = 1 THEN 'template_' || i % 11 END,
    CASE WHEN k < 12 AND i % 3 = 0 THEN 'POST /v1/messages/text' END,
    CASE WHEN k < 12 AND i % 3 = 0 THEN 'k' || i END,
    CASE WHEN i % 5 = 0 THEN 'mac-' || i END, broadcast, status, 1, 1, CASE WHEN status = 'rejected' THEN 'recipient' END,
    CASE WHEN status = 'accepted' THEN '{"outcome":"accepted","evidence":"answer"}' END,
    CASE WHEN status NOT IN ('staged', 'queued') THEN i END, i, i,
    CASE WHEN status NOT IN ('staged', 'queued', 'sending') THEN CASE WHEN :old AND i % 2 = 0 THEN i ELSE 9000000000000 + i END END,
    'order-' || i, CASE WHEN status IN ('staged', 'queued', 'unknown') THEN '{"to":"49151","text":"Your parcel is on its way"}' END, 0,
    CASE WHEN status = 'unknown' THEN 'lost' || i / 400 END, CASE WHEN status = 'unknown' AND i % 2 = 0 THEN 9000000000000 + i END
  FROM (SELECT i, i % 20 AS k,
      CASE WHEN i % 20 < 12 THEN 'accepted' WHEN i % 20 = 16 THEN 'accepted' WHEN i % 20 = 18 THEN 'rejected' WHEN i % 20 = 19 THEN 'unknown'
        WHEN i % 20 = 15 THEN 'queued' ELSE 'staged' END AS status,
      CASE WHEN i % 20 IN (12, 13, 14) THEN 'running' WHEN i % 20 = 17 THEN 'paused' WHEN i % 20 IN (16, 18, 19) THEN 'done' END AS broadcast
    FROM generate_series(${from}::bigint, ${until - 1}) AS i) AS rows`;

const beside = (from: number, until: number): string[] => [
  `INSERT INTO deliveries (send_seq, caller, broadcast_id, rank, sent_at, delivered_at, replied_at, wati_id, source, updated_at)
   SELECT seq, caller, broadcast_id, CASE WHEN seq % 97 = 0 THEN 2 ELSE 3 END, 1, 1, CASE WHEN seq % 70 = 0 THEN 1 END, 'w' || seq, 'webhook', 1
   FROM sends WHERE status = 'accepted' AND seq > ${from} AND seq <= ${until}`,
  ...[
    `INSERT INTO broadcasts (id, caller, template, name, connection_id, status, owner, total, created_at, updated_at, ended_at, idem_route, idem_key)
     SELECT 'b' || i, 'crm', 't', 'n', 'c1', 'done', 1, 9, i, i, CASE WHEN :old AND i % 2 = 0 THEN i ELSE 9000000000000 + i END, 'r',
       CASE WHEN i < 800 THEN 'b' || i END`,
    `INSERT INTO intake (key, connection_id, received_at, recorded_at, owner, state, next_at, body)
     SELECT 'k' || i, 'c1', i, CASE WHEN :old AND i % 20 = 0 THEN i ELSE 9000000000000 + i END, 1,
       CASE WHEN i % 30 = 0 THEN 'waiting' ELSE 'done' END, 9000000000000 + i, CASE WHEN i % 30 = 0 THEN '{}' END`,
    `INSERT INTO conversations (connection_id, contact, phone, bsuid, contact_id, last_in_at, told_at)
     SELECT 'c1', '49' || i, '49' || i, 'US.' || i, 'id' || i, i, CASE WHEN :old AND i % 20 = 0 THEN i ELSE 9000000000000 + i END`,
    `INSERT INTO events (seq, id, caller, connection_id, type, fact, contact, at, recorded_at, data)
     SELECT i + 1, 'evt_' || i, CASE WHEN i % 50 = 0 THEN 'shop' ELSE 'crm' END, 'c1', 'message.delivered', 'm:' || i, '49' || i % 50000, i, 
       CASE WHEN :old AND i < ${CHUNK} THEN i ELSE 9000000000000 + i END, '{}'`,
    `INSERT INTO webhook_parked (endpoint_id, event_seq, state, tries, next_at) SELECT 'e1', i + 1, 'failed', 9, i`,
    // As many as may be read in a day.
    `INSERT INTO tracking (connection_id, recipient, next_at) SELECT 'c1', '49' || i, 9000000000000 + i`,
  ].map(
    (insert) => `${insert} FROM generate_series(${from}::bigint, ${until - 1}) AS i
    WHERE i % 4 = 0${insert.includes('tracking') ? ' AND i < 8000' : ''}`,
  ),
];

const once = [
  `INSERT INTO send_owners (id, name, lease_until) OVERRIDING SYSTEM VALUE VALUES (1, 'this one', now() + interval '1 day')`,
  ...['running', 'paused', 'done', 'recording'].map(
    (
      id,
    ) => `INSERT INTO broadcasts (id, caller, template, name, connection_id, status, owner, created_at, updated_at, ended_at)
      VALUES ('${id}', 'crm', 't', 'n', 'c1', '${id}', 1, 0, 0, ${id === 'done' ? '9000000000000' : 'NULL'})`,
  ),
  `INSERT INTO broadcast_tallies (broadcast_id, status, n) VALUES ('running', 'staged', 9), ('paused', 'staged', 9)
   ON CONFLICT (broadcast_id, status) DO UPDATE SET n = excluded.n`,
  "INSERT INTO event_numbers VALUES (1, 'epoch', 9000000)",
  "INSERT INTO event_subscriptions VALUES ('crm', 'message.received')",
  `INSERT INTO webhook_endpoints (id, caller, place, url, types_json, status, created_at, updated_at, owner, position)
   SELECT 'e' || i, 'crm', i, 'u', '[]', 'enabled', 0, 0, 1, 0 FROM generate_series(1, 9) AS i`,
];

/** A few of what is due or under way, newest of all. */
const few = (rows: number): string[] => [
  `INSERT INTO sends (${send})
   SELECT 'few' || i, CASE WHEN i % 2 = 0 THEN 'crm' ELSE 'shop' END, 'text', '49151', 'c1', NULL, NULL, NULL, NULL, NULL,
     CASE i % 4 WHEN 0 THEN 'queued' WHEN 1 THEN 'sending' ELSE 'unknown' END, CASE WHEN i % 3 = 0 THEN 0 ELSE 1 END, 1, NULL, NULL,
     ${rows} + i, ${rows} + i, 1, CASE WHEN i % 4 > 1 THEN 9000000000000 END, NULL, '{}', 0, NULL, CASE WHEN i % 4 > 1 THEN 1 END
   FROM generate_series(0, 19) AS i`,
  `INSERT INTO sends (id, caller, kind, connection_id, status, owner, created_at, updated_at, send_at, not_after)
   SELECT 'later' || i, 'crm', 'text', 'c1', 'scheduled', 1, 0, 0, 9000000000000, 9000000000000 FROM generate_series(0, 9) AS i`,
  `INSERT INTO event_facts (caller, connection_id, type, fact, at)
   SELECT 'crm', 'c1', 'message.received', 'in:' || i, i FROM generate_series(1, 20) AS i`,
  'ANALYZE event_facts',
];

/** Fills a migrated database. `old`: half of what can expire is past its retention, otherwise nothing is. */
export async function fillForPlans(db: pg.Client, rows: number, old: boolean): Promise<void> {
  const run = (text: string) => db.query(text.replaceAll(':old', String(old)));
  const { rows: tables } = await db.query<{ relname: string }>(
    "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace",
  );
  for (const { relname } of tables) await db.query(`ALTER TABLE ${relname} SET (autovacuum_enabled = off)`);
  for (const text of once) await run(text);
  for (let from = 0; from < rows; ) {
    const until = from === 0 ? FIRST : Math.min(rows, from + CHUNK);
    for (const text of [sends(from, until), ...beside(from, until)]) await run(text);
    if (from === 0) await db.query('ANALYZE');
    from = until;
  }
  for (const text of few(rows)) await run(text);
}
