import type { IntakeStore } from '../intake-store.ts';
import type { Dialect, Engine } from './engine.ts';
import { pollStatements } from './poll-statements.ts';
import { integer, required } from './row-mapping.ts';

/** Implements the operations on the listener of src/store/intake-store.ts. */
export function listeningOperations(
  engine: Engine,
  dialect: Dialect,
  now: () => number = () => Date.now(),
): Pick<IntakeStore, 'noteListening'> {
  const sql = pollStatements(dialect);
  return {
    async noteListening(notes) {
      if (notes.length === 0) return [];
      const wall = now();
      const rows = new Map(
        notes.map(({ connectionId: connection, received }) => [connection, { connection, received: received ? 1 : 0 }]),
      );
      const values = { rows: JSON.stringify([...rows.values()]), wall };
      const [before = []] = await engine.write([sql.watched, sql.watch].map((statement) => ({ statement, values })));
      return before.map((row) => ({
        connectionId: required(row, 'connection_id'),
        agoMs: integer(row, 'ago'),
        wallAgoMs: wall - integer(row, 'listened_wall'),
      }));
    },
  };
}
