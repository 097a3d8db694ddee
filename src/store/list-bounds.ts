import { type Row, type Step, statement } from './engine.ts';
import { type ListAsk, settledIn, valuesOf } from './listing.ts';
import { integer } from './row.ts';

/** So many rows of an index are looked at for one page; the next page goes on from there. */
const VISITED_MAX = 5_000;

/**
 * Clocks step back, and those of replicas differ: the first row of a time is not always the first that was recorded. So
 * many at each end of the time are looked at.
 */
const EDGE_SENDS = 1_000;
const EDGE_BROADCASTS = 100;

/** From which sequence number on a page is looked for. */
export interface Bounds {
  from: number;
  /** Set where older rows may match as well: a page that is not full goes on before it. */
  walkedTo?: number;
}

/** Asks for what `boundsOf` needs; undefined where every row that is walked over is shown. */
export function boundsStep(ask: ListAsk): Step | undefined {
  const { since, broadcastId } = ask.filter;
  const parts = settledIn(ask.filter);
  if (parts.every(({ also }) => also.length === 0)) return undefined;
  const range = ask.before === undefined ? '' : 'AND seq < :before';
  const floors = parts.map(
    ({ walk }, n) => `(SELECT seq FROM sends WHERE ${walk.join(' AND ')} ${range}
      ORDER BY seq DESC LIMIT 1 OFFSET ${VISITED_MAX}) AS floor${n}`,
  );
  const broadcast = '(SELECT seq FROM broadcasts WHERE id = :broadcastId AND caller = :caller';
  const columns = [
    ...floors,
    // Recipients were created when their broadcast was: all of them match a time, or none.
    ...(broadcastId === undefined
      ? []
      : [`${broadcast} ${since === undefined ? '' : 'AND created_at >= :since'}) AS its`]),
    ...(broadcastId !== undefined || since === undefined ? [] : [`${firstSince} AS since_from`]),
  ];
  return { statement: statement(`SELECT ${columns.join(', ')}`), values: valuesOf(ask) };
}

/** Undefined: nothing can match. */
export function boundsOf([row = {}]: readonly Row[], { filter }: ListAsk): Bounds | undefined {
  const read = (column: string) => (row[column] === null ? undefined : integer(row, column));
  let from = 0;
  if (filter.broadcastId !== undefined) {
    if (read('its') === undefined) return undefined;
  } else if (filter.since !== undefined) {
    const first = read('since_from');
    if (first === undefined) return undefined;
    from = first;
  }
  const floors = settledIn(filter).map((_, n) => read(`floor${n}`) ?? 0);
  const walkedTo = Math.max(...floors);
  return walkedTo > from ? { from: walkedTo, walkedTo } : { from };
}

/** The first and the last of a time, by an index that is in its order. */
const edges = (choice: string, order: string, limit: number): string => {
  const end = (direction: 'ASC' | 'DESC') => `SELECT * FROM (
    ${choice} ORDER BY ${order} ${direction}, seq ${direction} LIMIT ${limit}) AS ends_${direction.toLowerCase()}`;
  return `(${end('ASC')} UNION ${end('DESC')})`;
};

const ofTime = 'WHERE caller = :caller AND created_at >= :since';
const sendsOfTime = edges(`SELECT seq FROM sends ${ofTime} AND broadcast_id IS NULL`, 'created_at', EDGE_SENDS);
const broadcastsOfTime = edges(`SELECT id, seq FROM broadcasts ${ofTime}`, 'created_at', EDGE_BROADCASTS);
const firstOf = (condition: string): string => `
  SELECT (SELECT seq FROM sends WHERE broadcast_id = opened.id AND ${condition} ORDER BY seq LIMIT 1) AS seq
  FROM ${broadcastsOfTime} AS opened`;

/** The first that a caller recorded since a time: alone, or as the recipient of a broadcast. */
const firstSince = `(SELECT MIN(seq) FROM (
  SELECT seq FROM ${sendsOfTime} AS singles
  UNION ALL ${firstOf("broadcast_id IS NOT NULL AND status <> 'staged'")}
  UNION ALL ${firstOf("status = 'staged'")}) AS firsts)`;
