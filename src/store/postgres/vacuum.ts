import pg from 'pg';

/**
 * Deleted rows leave the table and its indexes at once, not when autovacuum comes. On a connection of its own, because it
 * takes as long as the table is large, and in no transaction.
 */
export async function vacuum(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 2_000, application_name: 'wati-bff' });
  client.on('error', () => undefined); // a lost connection also fails the query, which says so
  try {
    await client.connect();
    await client.query('VACUUM (INDEX_CLEANUP ON) sends');
  } finally {
    await client.end();
  }
}
