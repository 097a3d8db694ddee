import pg from 'pg';
import { reached, type Server } from './pools.ts';

/**
 * Deleted rows leave the table and its indexes at once, not when autovacuum comes. On a connection of its own, because it
 * takes as long as the table is large, and in no transaction.
 */
export async function vacuum(server: Server): Promise<void> {
  const client = new pg.Client(reached(server));
  client.on('error', () => undefined); // a lost connection also fails the query, which says so
  try {
    await client.connect();
    await client.query(
      'VACUUM (INDEX_CLEANUP ON) sends, deliveries, intake, conversations, tracking, events, event_facts',
    );
  } finally {
    await client.end();
  }
}
