import pg from 'pg';
import { openStore } from '../../src/store/open.ts';
import type { StoreFixture } from './fixture.ts';
import { OPTIONS } from './samples.ts';

export async function query(url: string, text: string, values: unknown[] = []): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query(text, values);
  await client.end();
}

export interface PostgresFixture extends StoreFixture {
  readonly url: string;
}

export async function aDatabase(server: string): Promise<PostgresFixture> {
  const name = `store_${process.pid}_${Math.random().toString(36).slice(2)}`;
  await query(server, `CREATE DATABASE ${name}`);
  const url = new URL(server);
  url.pathname = `/${name}`;
  return {
    url: url.href,
    open: () => openStore(url.href, OPTIONS),
    // The clock of the database cannot be changed from here.
    setWall: async (byMs) => {
      const times = 'send_at = send_at - $1::bigint, not_after = not_after - $1::bigint';
      await query(url.href, `UPDATE sends SET ${times}`, [byMs]);
      await query(url.href, `UPDATE broadcasts SET ${times}`, [byMs]);
    },
    advance: async (ms) => {
      const older = 'SET ended_at = ended_at - $1::bigint';
      const looks = 'next_look_at = next_look_at - $1::bigint, looked_at = looked_at - $1::bigint';
      await query(url.href, `UPDATE sends ${older}, ${looks}`, [ms]);
      await query(
        url.href,
        `UPDATE broadcasts ${older}, looks_asked_at = looks_asked_at - $1::bigint, paced_until = paced_until - $1::bigint`,
        [ms],
      );
      await query(
        url.href,
        'UPDATE intake SET recorded_at = recorded_at - $1::bigint, next_at = next_at - $1::bigint',
        [ms],
      );
      await query(url.href, 'UPDATE conversations SET told_at = told_at - $1::bigint', [ms]);
      await query(url.href, 'UPDATE events SET recorded_at = recorded_at - $1::bigint', [ms]);
      await query(url.href, 'UPDATE tracking SET next_at = next_at - $1::bigint', [ms]);
      const watch = ['since', 'listened_at', 'event_at'].map((clock) => `${clock} = ${clock} - $1::bigint`);
      await query(url.href, 'UPDATE webhook_parked SET next_at = next_at - $1::bigint', [ms]);
      await query(url.href, `UPDATE intake_watch SET ${watch.join(', ')}`, [ms]);
    },
    tearDown: () => query(server, `DROP DATABASE ${name} WITH (FORCE)`),
  };
}

/** Shares one database between tests, and empties it after each, because creating one takes over a tenth of a second. */
export function emptied(database: Promise<PostgresFixture>): () => Promise<PostgresFixture> {
  return async () => {
    const home = await database;
    return {
      ...home,
      tearDown: () =>
        query(
          home.url,
          `TRUNCATE sends, send_tallies, send_owners, broadcasts, sending_stop, sending_stopped, caller_quotas, intake, conversations, tracking,
             upstream_calls, poll_calls, intake_watch, caller_days, events, event_facts, event_numbers, event_purges, event_subscriptions,
             webhook_endpoints CASCADE`,
        ),
    };
  };
}
