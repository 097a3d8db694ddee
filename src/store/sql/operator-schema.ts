/**
 * What operators have stopped, and the indexes of their lists. Rows and no JSON, so that SQL alone can stop and release when
 * nothing else works.
 */
export const operatorTables: readonly string[] = [
  // The one row that says who said so, and why.
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
