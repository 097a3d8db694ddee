import { type Dialect, type Row, SEQ_OF, type Step, statement } from './engine.ts';
import { type ListQuery, scanOf, VISITED_MAX, valuesOf, visibleMessages } from './list-query.ts';
import { integer } from './row-mapping.ts';

/**
 * Clocks are set back and differ between replicas, so the first row by time is not always the first by sequence. This many rows
 * at each end of the time range are compared.
 */
const EDGE_SENDS = 1_000;
const EDGE_BROADCASTS = 100;

/** The sequence number from which a page is read. */
export interface Bounds {
  from: number;
  /** Set if older rows may match as well: the next page continues before it. */
  scannedTo?: number;
}

/** Reads what `boundsOf` needs; undefined if every visited row matches. */
export function boundsStep(dialect: Dialect, ask: ListQuery): Step | undefined {
  const { since, broadcastId } = ask.filter;
  const parts = visibleMessages(ask.filter);
  if (parts.every(({ also }) => also.length === 0)) return undefined;
  const floors = parts.map((part, n) => {
    const { of, table, where, order } = scanOf(dialect, part);
    return `(SELECT ${SEQ_OF[of]} FROM ${table} WHERE ${where} ORDER BY ${order} LIMIT 1 OFFSET ${VISITED_MAX}) AS floor${n}`;
  });
  const broadcast = '(SELECT seq FROM broadcasts WHERE id = :broadcastId AND caller = :caller';
  const columns = [
    ...floors,
    // Recipients have the creation time of their broadcast, so all of them match, or none.
    ...(broadcastId === undefined
      ? []
      : [`${broadcast} ${since === undefined ? '' : 'AND created_at >= :since'}) AS its`]),
    ...(broadcastId !== undefined || since === undefined ? [] : [`${firstSince} AS since_from`]),
  ];
  return { statement: statement(`SELECT ${columns.join(', ')}`), values: valuesOf(ask) };
}

/** Undefined if nothing can match. */
export function boundsOf([row = {}]: readonly Row[], { filter }: ListQuery): Bounds | undefined {
  const read = (column: string) => (row[column] === null ? undefined : integer(row, column));
  let from = 0;
  if (filter.broadcastId !== undefined) {
    if (read('its') === undefined) return undefined;
  } else if (filter.since !== undefined) {
    const first = read('since_from');
    if (first === undefined) return undefined;
    from = first;
  }
  const floors = visibleMessages(filter).map((_, n) => read(`floor${n}`) ?? 0);
  const scannedTo = Math.max(...floors);
  return scannedTo > from ? { from: scannedTo, scannedTo } : { from };
}

/** The first and the last rows of a time range, by an index in that order. */
const edges = (choice: string, order: string, limit: number): string => {
  const end = (direction: 'ASC' | 'DESC') => `SELECT * FROM (
    ${choice} ORDER BY ${order} ${direction}, seq ${direction} LIMIT ${limit}) AS ends_${direction.toLowerCase()}`;
  return `(${end('ASC')} UNION ${end('DESC')})`;
};

const ofTime = 'WHERE caller = :caller AND created_at >= :since';
const sendsOfTime = edges(`SELECT seq FROM sends ${ofTime} AND broadcast_id IS NULL`, 'created_at', EDGE_SENDS);
const broadcastsOfTime = edges(`SELECT id, seq FROM broadcasts ${ofTime}`, 'created_at', EDGE_BROADCASTS);
const firstOf = (condition: string): string => `
  SELECT (SELECT seq FROM sends WHERE broadcast_id = opened.id AND ${condition} ORDER BY broadcast_id, seq LIMIT 1) AS seq
  FROM ${broadcastsOfTime} AS opened`;

/** The first message of a caller since a time, single or a recipient. */
const firstSince = `(SELECT MIN(seq) FROM (
  SELECT seq FROM ${sendsOfTime} AS singles
  UNION ALL ${firstOf("broadcast_id IS NOT NULL AND status <> 'staged'")}
  UNION ALL ${firstOf("status = 'staged'")}) AS firsts)`;
