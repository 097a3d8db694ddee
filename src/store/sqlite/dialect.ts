import { type Dialect, OWNED, SEQ_OF } from '../sql/engine.ts';

/**
 * `json_each` writes the text of a row once for each column, and `->>` parses it again. `jsonb_each` does neither and takes half of the
 * time. SQLite has it since 3.51, which the first releases of Node 24 do not contain.
 */
const EACH_ROW = Number(process.versions.sqlite?.split('.')[1]) >= 51 ? 'jsonb_each' : 'json_each';

/** One process has the file (locking_mode EXCLUSIVE), so every other owner is dead and no lease is needed. */
export const sqliteDialect: Dialect = {
  now: ':clock',
  wallNow: ':wallNow',
  // The owner counts how often the file was opened. All earlier owners are dead.
  ownerIsDead: 'owner < :me',
  deadOwners: (of) => {
    const { table, which } = OWNED[of];
    return `SELECT owner FROM ${table} WHERE ${which} AND owner < :me`;
  },
  leaseIsValid: 'TRUE',
  skipLocked: '',
  skipLockedAny: '',
  lockMessages: '',
  bytewise: 'COLLATE BINARY',
  skipLockedBroadcasts: '',
  recorderIsGone: 'owner <> :me',
  shareLock: '',
  scan: (index, equal, of = 'sends') => {
    const same = Object.entries(equal).map(([column, value]) => `${column} = ${value}`);
    const seq = `${of}.${SEQ_OF[of]}`;
    const where = [...same, `${seq} < :before`, `${seq} >= :from`].join(' AND ');
    return { of, table: `${of} INDEXED BY ${index}`, where, order: `${seq} DESC` };
  },
  hinted: (table, index) => `${table} INDEXED BY ${index}`,
  // A statement blocks all others, so a list takes many short ones. Rows that are not cached take up to a millisecond each.
  visits: { least: 20, first: 120, most: 480 },
  newest: ({ of, table, where, order }, also) => {
    if (of === 'sends') return `${table} WHERE ${where} AND ${also} ORDER BY ${order} LIMIT :limit`;
    const few = also === 'TRUE' ? ':limit' : ':most';
    return `sends WHERE sends.seq IN (SELECT ${SEQ_OF[of]} FROM ${table} WHERE ${where} ORDER BY ${order} LIMIT ${few})
      AND ${also} ORDER BY sends.seq DESC LIMIT :limit`;
  },
  lateralJoin: (condition) => `CROSS JOIN sends ON sends.seq IN (SELECT seq FROM sends WHERE ${condition})`,
  among: (keys) => `IN (${keys})`,
  newestOfEach: (callers) => `${callers} CROSS JOIN events AS theirs ON theirs.seq IN
    (SELECT events.seq FROM events WHERE events.caller = given.caller AND events.seq > :after ORDER BY events.seq LIMIT :limit)`,
  inputRows: (columns) => {
    const taken = Object.keys(columns).map((name) => `value ->> '${name}' AS ${name}`);
    return `(SELECT ${taken.join(', ')} FROM ${EACH_ROW}(:rows)) AS given`;
  },
  fence: [],
  counts: 'SELECT status, n FROM send_tallies',
  check: 'UPDATE send_store SET checks = checks + 1, clock = :clock',
};
