import { statement } from '../sql/engine.ts';

const add = (moves: string): string => `
  INSERT INTO send_tallies AS tallies (backend, status, n)
  SELECT pg_backend_pid(), status, sum(moved) FROM (${moves}) AS moves
  WHERE status <> 'staged' GROUP BY status HAVING sum(moved) <> 0
  ON CONFLICT (backend, status) DO UPDATE SET n = tallies.n + excluded.n;`;
const left = 'SELECT status, -1 AS moved FROM left_rows';
const reached = 'SELECT status, 1 AS moved FROM reached_rows';

/**
 * The number of messages by status, updated as rows change, because counting millions takes long. Each connection counts in rows of its
 * own, so that no transaction waits for another. Staged recipients are not counted; broadcast_tallies counts them.
 */
export const sendTallies: readonly string[] = [
  // Keeps changes out between the count and the triggers.
  'LOCK TABLE sends IN SHARE ROW EXCLUSIVE MODE',
  `CREATE TABLE send_tallies (
     backend INTEGER NOT NULL,
     status TEXT NOT NULL,
     n BIGINT NOT NULL,
     PRIMARY KEY (backend, status)
   ) WITH (fillfactor = 50)`,
  `INSERT INTO send_tallies SELECT 0, status, count(*) FROM sends WHERE status <> 'staged' GROUP BY status`,
  `CREATE FUNCTION tally_sends() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
     IF TG_OP = 'INSERT' THEN ${add(reached)}
     ELSIF TG_OP = 'UPDATE' THEN ${add(`${left} UNION ALL ${reached}`)}
     ELSE ${add(left)}
     END IF;
     RETURN NULL;
   END $$`,
  `CREATE TRIGGER sends_inserted AFTER INSERT ON sends REFERENCING NEW TABLE AS reached_rows
     FOR EACH STATEMENT EXECUTE FUNCTION tally_sends()`,
  `CREATE TRIGGER sends_moved AFTER UPDATE ON sends REFERENCING OLD TABLE AS left_rows NEW TABLE AS reached_rows
     FOR EACH STATEMENT EXECUTE FUNCTION tally_sends()`,
  `CREATE TRIGGER sends_deleted AFTER DELETE ON sends REFERENCING OLD TABLE AS left_rows
     FOR EACH STATEMENT EXECUTE FUNCTION tally_sends()`,
];

export const countByTallies = 'SELECT status, CAST(sum(n) AS BIGINT) AS n FROM send_tallies GROUP BY status';

/** Adds up the rows of connections that have ended. */
export const mergeTallies = statement(`
  WITH ended AS
    (DELETE FROM send_tallies WHERE backend <> 0 AND backend NOT IN (SELECT pid FROM pg_stat_activity WHERE pid IS NOT NULL)
     RETURNING status, n)
  INSERT INTO send_tallies AS tallies (backend, status, n)
  SELECT 0, status, sum(n) FROM ended GROUP BY status ORDER BY status
  ON CONFLICT (backend, status) DO UPDATE SET n = tallies.n + excluded.n`);
