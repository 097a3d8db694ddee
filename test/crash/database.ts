import pg from 'pg';

const server = process.env.TEST_POSTGRES_URL;
let databases = 0;

export interface Database {
  url: string;
  drop(): Promise<void>;
}

/** Creates an empty database on the server of `.ci/postgres.sh`. */
export async function aDatabase(): Promise<Database> {
  if (server === undefined) throw new Error('TEST_POSTGRES_URL is not set: run .ci/postgres');
  const name = `crash_${process.pid}_${databases++}`;
  await query(server, `CREATE DATABASE ${name}`);
  const url = new URL(server);
  url.pathname = `/${name}`;
  return { url: url.href, drop: () => query(server, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`) };
}

async function query(url: string, text: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(text);
  } finally {
    await client.end();
  }
}
