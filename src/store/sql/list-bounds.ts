import type { MessageFilter } from '../message-store.ts';
import { type Row, type Step, statement } from './engine.ts';
import { type ListQuery, valuesOf } from './list-query.ts';
import { integer } from './row-mapping.ts';

/**
 * Clocks are set back and differ between replicas, so the first row by time is not always the first by sequence. This many rows
 * at each end of the time range are compared.
 */
const EDGE_SENDS = 500;
const EDGE_BROADCASTS = 50;

/** The range of sequence numbers that contains all messages of a period. */
export interface SequenceRange {
  from: number;
  /** The first number after the range. */
  before: number;
}

/** Finds the range of single messages and recipients for `since` and `until`. Recipients have the time of their broadcast. */
export function rangeStep(query: ListQuery): Step {
  const { filter } = query;
  const both = [
    recipientsOf(filter, "broadcast_id IS NOT NULL AND status <> 'staged'"),
    recipientsOf(filter, "status = 'staged'"),
  ];
  const named = `SELECT MIN(first) AS first, MAX(last) AS last FROM (
    SELECT seq AS first, seq AS last FROM ${edges(`SELECT seq FROM sends ${timeOf(filter)} AND broadcast_id IS NULL`, EDGE_SENDS)} AS singles
    UNION ALL ${both.join(' UNION ALL ')}) AS ends`;
  return { statement: statement(named), values: valuesOf(query) };
}

/** Undefined if nothing can match. */
export function toRange([row = {}]: readonly Row[], { since, until }: MessageFilter): SequenceRange | undefined {
  if (row.first === null || row.last === null) return undefined;
  return {
    from: since === undefined ? 0 : integer(row, 'first'),
    before: until === undefined ? Number.MAX_SAFE_INTEGER : integer(row, 'last') + 1,
  };
}

const timeOf = ({ since, until }: MessageFilter): string =>
  [
    'WHERE caller = :caller',
    ...(since === undefined ? [] : ['created_at >= :since']),
    ...(until === undefined ? [] : ['created_at < :until']),
  ].join(' AND ');

/** Selects the first and last rows of a period by an index on time. */
function edges(choice: string, limit: number): string {
  const end = (direction: 'ASC' | 'DESC') => `SELECT * FROM (
    ${choice} ORDER BY created_at ${direction}, seq ${direction} LIMIT ${limit}) AS ends_${direction.toLowerCase()}`;
  return `(${end('ASC')} UNION ${end('DESC')})`;
}

/** Selects the first and last matching recipient of each broadcast of a period. */
function recipientsOf(filter: MessageFilter, condition: string): string {
  const end = (direction: 'ASC' | 'DESC') => `(SELECT seq FROM sends WHERE broadcast_id = opened.id AND ${condition}
    ORDER BY broadcast_id ${direction}, seq ${direction} LIMIT 1)`;
  const first = end('ASC');
  const last = filter.until === undefined ? first : end('DESC');
  const opened = edges(`SELECT id FROM broadcasts ${timeOf(filter)}`, EDGE_BROADCASTS);
  return `SELECT ${first} AS first, ${last} AS last FROM ${opened} AS opened`;
}
