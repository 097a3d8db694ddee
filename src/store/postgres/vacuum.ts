import pg from 'pg';
import { reached, type Server } from './pools.ts';

/**
 * Removes deleted rows from the table and its indexes now, instead of waiting for autovacuum. On a connection of its own and
 * outside a transaction, because it takes long for a large table.
 */
export async function vacuum(server: Server): Promise<void> {
  const client = new pg.Client(reached(server));
  client.on('error', () => undefined); // a lost connection also fails the query, which says so
  try {
    await client.connect();
    await client.query('VACUUM (INDEX_CLEANUP ON) sends, deliveries, intake, conversations, tracking');
  } finally {
    await client.end();
  }
}
