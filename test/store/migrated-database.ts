import pg from 'pg';
import { migrate } from '../../src/store/postgres/migrate.ts';

/** A migrated database for one test, on the server of TEST_POSTGRES_URL. */
export interface MigratedDatabase {
  /** Opens a connection with these planner settings. `drop` closes it. */
  connect(settings?: string): Promise<pg.Client>;
  drop(): Promise<void>;
}

export async function createMigrated(server: string | undefined, name: string): Promise<MigratedDatabase> {
  const admin = new pg.Client({ connectionString: server });
  await admin.connect();
  await admin.query(`CREATE DATABASE ${name}`);
  const url = new URL(String(server));
  url.pathname = `/${name}`;
  await migrate({ url: url.href, tls: 'off' });
  const clients: pg.Client[] = [];
  return {
    connect: async (settings) => {
      const client = new pg.Client({
        connectionString: url.href,
        ...(settings !== undefined && { options: settings }),
      });
      clients.push(client);
      await client.connect();
      return client;
    },
    drop: async () => {
      await Promise.all(clients.map((client) => client.end()));
      await admin.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
      await admin.end();
    },
  };
}
