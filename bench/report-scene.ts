import pg from 'pg';
import { sqlitePath } from '../src/store/open.ts';
import { migrate } from '../src/store/postgres/migrate.ts';
import { openDatabase } from '../src/store/sqlite/file.ts';
import { type SceneDialect, sceneDialects } from './lists-scene.ts';

/** Broadcasts that are done, for `npm run bench -- report`. Now, or the service would delete them as too old. */
const at = Date.now();

function statementsOf({ series }: SceneDialect, { id, caller, recipients }: DoneBroadcast): string[] {
  return [
    `INSERT INTO broadcasts (id, caller, template, name, connection_id, status, owner, total, created_at, updated_at, finished_at, ended_at)
      VALUES ('${id}', '${caller}', 'order_update', '${id}', 'c1', 'done', 1, ${recipients}, ${at}, ${at}, ${at}, ${at})`,
    `INSERT INTO sends (id, caller, kind, recipient, connection_id, template, local_message_id, broadcast_id, status, owner, attempts,
        failure_code, failure_detail, verdict_json, sent_at, created_at, updated_at, ended_at, reference)
      SELECT '${id}-00000000-0000-4000-8000-' || i, '${caller}', 'template', '49151' || (10000000 + i), 'c1', 'order_update',
        '${id}-00000000-0000-4000-8000-' || i, '${id}', CASE WHEN i % 20 = 7 THEN 'rejected' ELSE 'accepted' END, 1, 1,
        CASE WHEN i % 20 = 7 THEN 'recipient' END, CASE WHEN i % 20 = 7 THEN 'the number is not on WhatsApp' END,
        '{"outcome":"accepted","evidence":"answer"}', ${at}, ${at}, ${at}, ${at}, 'order-' || i
      FROM ${series(recipients)}`,
    `INSERT INTO broadcast_tallies (broadcast_id, status, n)
      SELECT broadcast_id, status, COUNT(*) FROM sends WHERE broadcast_id = '${id}' GROUP BY broadcast_id, status`,
    `INSERT INTO deliveries (send_seq, caller, broadcast_id, rank, sent_at, delivered_at, read_at, source, updated_at)
      SELECT seq, caller, broadcast_id, 4, ${at}, ${at}, ${at}, 'webhook', ${at}
      FROM sends WHERE broadcast_id = '${id}' AND status = 'accepted' ORDER BY seq`,
  ];
}

export interface DoneBroadcast {
  id: string;
  caller: string;
  recipients: number;
}

/** Records the broadcasts in an empty store, without an import. */
export async function recordBroadcasts(url: string, broadcasts: readonly DoneBroadcast[]): Promise<void> {
  const dialect = url.startsWith('postgres') ? sceneDialects.postgres : sceneDialects.sqlite;
  const statements = broadcasts.flatMap((each) => statementsOf(dialect, each));
  if (dialect === sceneDialects.postgres) {
    await migrate({ url, tls: 'off' });
    const client = new pg.Client({ connectionString: url, options: '-c synchronous_commit=off' });
    await client.connect();
    for (const text of statements) await client.query(text);
    await client.query('VACUUM ANALYZE');
    await client.end();
    return;
  }
  const db = openDatabase(sqlitePath(url));
  db.exec('PRAGMA synchronous = OFF');
  for (const text of statements) db.exec(text);
  db.close();
}
