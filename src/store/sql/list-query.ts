import type { MessageFilter } from '../message-store.ts';
import { type Dialect, type Row, SEQ_OF, type Step, statement, type Value } from './engine.ts';
import { shownConditions } from './list-conditions.ts';
import { type ListPlan, type ScanPart, scanOf, type Way } from './list-ways.ts';
import { VISIBLE_COLUMNS } from './message-columns.ts';
import { integer, wallTime } from './row-mapping.ts';
import { DELIVERED, WITH_DELIVERY } from './tracking-columns.ts';

/** A query for messages of one caller by sequence number: older than `before`, and not older than `from`. */
export interface ListQuery {
  caller: string;
  filter: MessageFilter;
  limit: number;
  before: number;
  from: number;
  /** Maximum number of entries of each index to visit. */
  visits: number;
}

/** The ways that a step of a list reads: one for each kind of message. */
export interface ChosenWays {
  parts: readonly ScanPart[];
  /** States of the broadcasts by which staged recipients are found. */
  byBroadcast?: string;
}

export function valuesOf({ caller, filter, limit, before, from, visits }: ListQuery): Record<string, Value> {
  const { since, until, delivery: _, ...plain } = filter;
  return {
    caller,
    limit,
    before,
    from,
    visits,
    most: visits + 1,
    ...plain,
    ...(since !== undefined && { since: wallTime(since) }),
    ...(until !== undefined && { until: wallTime(until) }),
  };
}

/** Returns whether the list needs bounds: it has a choice of ways, or rows may be skipped. */
export const needsBounds = ({ recorded, staged }: ListPlan): boolean =>
  [recorded, staged?.ways ?? []].some((ways) => ways.length > 1 || ways.flat().some(({ also }) => also.length > 0));

/** Reads how far each way reaches within a bounded number of index entries. */
export function reachStep(dialect: Dialect, plan: ListPlan, query: ListQuery): Step {
  const floors = partsOf(plan).map((part, n) => {
    const { of, table, where, order } = scanOf(dialect, part);
    const skipped = `ORDER BY ${order} LIMIT 1 OFFSET :visits`;
    return `(SELECT seq FROM (SELECT ${SEQ_OF[of]} AS seq FROM ${table} WHERE ${where} ${skipped}) AS reached
      WHERE seq >= :from) AS floor${n}`;
  });
  return { statement: statement(`SELECT ${floors.join(', ')}`), values: valuesOf(query) };
}

/** Chooses the ways that reach furthest; `floor` is the sequence number down to which they are complete, or 0. */
export function chooseWays(plan: ListPlan, [row = {}]: readonly Row[]): ChosenWays & { floor: number } {
  const parts = partsOf(plan);
  const floorOf = (way: Way) => Math.max(...way.map((part) => Number(row[`floor${parts.indexOf(part)}`] ?? 0)));
  const furthest = (ways: readonly Way[]) => ways.toSorted((a, b) => floorOf(a) - floorOf(b))[0] ?? [];
  const chosen = [furthest(plan.recorded), furthest(plan.staged?.ways ?? [])];
  return {
    ...asChosen(plan, chosen.flat()),
    floor: Math.max(0, ...chosen.filter((way) => way.length > 0).map(floorOf)),
  };
}

/** Returns the only ways of a plan that needs no bounds. */
export const onlyWays = (plan: ListPlan): ChosenWays => asChosen(plan, plan.recorded.flat());

const partsOf = ({ recorded, staged }: ListPlan): ScanPart[] => [...recorded, ...(staged?.ways ?? [])].flat();

const asChosen = ({ staged }: ListPlan, parts: readonly ScanPart[]): ChosenWays => ({
  parts,
  ...(staged?.ways.length === 0 && { byBroadcast: staged.states }),
});

/** Reads the sequence numbers of the newest messages, as a union of parts that each read one index in order. */
export function sequencesStep(dialect: Dialect, { parts, byBroadcast }: ChosenWays, query: ListQuery): Step {
  const found = parts.map((part) => {
    const also = part.also.join(' AND ') || 'TRUE';
    return `SELECT sends.seq FROM ${dialect.newest(scanOf(dialect, part), also)}`;
  });
  if (byBroadcast !== undefined) found.push(stagedRecipients(dialect, query.filter, byBroadcast));
  const union = found.map((part, n) => `SELECT * FROM (${part}) AS part${n}`).join(' UNION ALL ');
  return {
    statement: statement(`SELECT seq FROM (${union}) AS found ORDER BY seq DESC LIMIT :limit`),
    values: valuesOf(query),
  };
}

/** Reads messages that are found by an id, of their own or of their call. They are few, so it reads all of them. */
export function exactStep(dialect: Dialect, query: ListQuery): Step {
  const { filter } = query;
  const by = exactFilter(filter) ?? 'id';
  const which = `sends.seq ${dialect.among(EXACT[by])}`;
  const also = shownConditions(filter, [by]);
  return {
    statement: statement(`SELECT seq FROM sends WHERE ${[which, "caller || '' = :caller", ...also].join(' AND ')}
      AND seq + 0 < :before ORDER BY seq DESC LIMIT :limit`),
    values: valuesOf(query),
  };
}

/** Returns the filter that only few messages match, if there is one. */
export const exactFilter = (filter: MessageFilter): keyof typeof EXACT | undefined =>
  (['id', 'idempotencyKey', 'lostCall'] as const).find((name) => filter[name] !== undefined);

/** The index of keys begins with the route, so the caller's few routes are found first, by one lookup each. */
const UNDER_KEY = `
  WITH RECURSIVE routes (route) AS (
    SELECT (SELECT idem_route FROM sends WHERE caller = :caller AND idem_key IS NOT NULL
            ORDER BY caller, idem_route LIMIT 1)
    UNION ALL
    SELECT (SELECT idem_route FROM sends WHERE caller = :caller AND idem_route > routes.route AND idem_key IS NOT NULL
            ORDER BY caller, idem_route LIMIT 1)
    FROM routes WHERE route IS NOT NULL
  )
  SELECT (SELECT seq FROM sends WHERE caller = :caller AND idem_route = routes.route AND idem_key = :idempotencyKey)
  FROM routes WHERE route IS NOT NULL`;

const EXACT = {
  id: 'SELECT seq FROM sends WHERE id = :id',
  idempotencyKey: UNDER_KEY,
  // A call carries up to a thousand messages.
  lostCall: 'SELECT seq FROM sends WHERE lost_call = :lostCall AND lost_call IS NOT NULL',
};

/** Selects staged recipients by broadcast, newest broadcasts first. They have the creation time and template of their broadcast. */
function stagedRecipients(dialect: Dialect, filter: MessageFilter, states: string): string {
  const asked = (name: keyof MessageFilter, condition: string) =>
    filter[name] === undefined ? '' : `AND ${condition}`;
  const newest = (broadcast: string, limit: string) => {
    const { where, order } = dialect.scan('sends_staged', { broadcast_id: `${broadcast}.id` });
    return `${where} AND status = 'staged' ORDER BY ${order} LIMIT ${limit}`;
  };
  return `SELECT sends.seq FROM (
      SELECT id, COALESCE((SELECT seq FROM sends WHERE ${newest('broadcasts', '1')}), 0) AS newest FROM broadcasts
      WHERE broadcasts.caller = :caller AND broadcasts.ended_at IS NULL AND broadcasts.status IN (${states})
        ${asked('broadcastId', 'broadcasts.id = :broadcastId')} ${asked('template', "broadcasts.template || '' = :template")}
        ${asked('since', 'broadcasts.created_at + 0 >= :since')} ${asked('until', 'broadcasts.created_at + 0 < :until')}
      ORDER BY newest DESC LIMIT :limit) AS opened ${dialect.lateralJoin(newest('opened', ':limit'))}
    WHERE sends.seq >= :from ORDER BY sends.seq DESC LIMIT :limit`;
}

/** Reads the messages with these numbers, newest first; by default without their content, which may be long and is not shown. */
export function messagesStep(dialect: Dialect, sequences: readonly number[], withContent?: true): Step {
  const rows = JSON.stringify(sequences.map((seq) => ({ seq })));
  const columns = withContent ? VISIBLE_COLUMNS : VISIBLE_COLUMNS.replace('sends.call_json', 'NULL AS call_json');
  const given = dialect.among(`SELECT given.seq FROM ${dialect.inputRows({ seq: 'BIGINT' })}`);
  const text = `SELECT ${columns}, ${DELIVERED} FROM sends ${WITH_DELIVERY} WHERE sends.seq ${given} ORDER BY sends.seq DESC`;
  return { statement: statement(text), values: { rows } };
}

export const sequenceIn = (row: Row): number => integer(row, 'seq');
