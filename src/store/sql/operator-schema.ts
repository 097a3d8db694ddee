/**
 * What operators have stopped, and the indexes of their lists. Rows instead of JSON, so that plain SQL can stop and release
 * sending when nothing else works.
 */
export const operatorTables: readonly string[] = [
  // A single row: which operator stopped sending, and why.
  `CREATE TABLE sending_stop (
     id INTEGER PRIMARY KEY CHECK (id = 1),
     reason TEXT NOT NULL,
     changed_by TEXT NOT NULL,
     changed_at BIGINT NOT NULL
   )`,
  // `scope` is 'all' (its name is ''), 'caller' or 'connection'.
  `CREATE TABLE sending_stopped (
     scope TEXT NOT NULL,
     name TEXT NOT NULL,
     PRIMARY KEY (scope, name)
   )`,
  'CREATE INDEX broadcasts_status ON broadcasts (status, seq)',
  'CREATE INDEX broadcasts_caller_status ON broadcasts (caller, status, seq)',
];
