import type { MessageFilter } from '../message-store.ts';
import { FAILED } from './broadcast-schema.ts';
import { scanDelivered } from './delivery-scan.ts';
import type { Dialect, IndexScan, ScanTable } from './engine.ts';
import { conditionsOf, type Narrowing, NOT_STAGED, OF_CALLER, statesShownAs, storedAs } from './list-conditions.ts';
import { broadcastIsIn } from './message-columns.ts';

/** Rows of `sends` in the order of an index that starts with the columns `equal`; `also` is checked on each row. */
export interface ScanPart {
  /** The table of the index; `sends` if absent. */
  of?: ScanTable;
  index: string;
  equal: Readonly<Record<string, string>>;
  /** The condition of the partial index. */
  within: readonly string[];
  also: readonly string[];
}

/** Parts that together contain all messages that match a filter. */
export type Way = readonly ScanPart[];

/** The alternative ways to the messages of a list. Any way of each kind is complete; which one is shortest depends on the rows. */
export interface ListPlan {
  /** Ways to all messages except staged recipients. */
  recorded: readonly Way[];
  /** Ways to staged recipients, if any are shown. Without a way they are found by their broadcasts, in one of these `states`. */
  staged?: { ways: readonly Way[]; states: string };
}

export function scanOf(dialect: Dialect, { of, index, equal, within }: ScanPart): IndexScan {
  const walk = dialect.scan(index, equal, of);
  return { ...walk, where: [walk.where, ...within].join(' AND ') };
}

const IN_BROADCAST = 'broadcast_id IS NOT NULL';
const CLAIMED = "status <> 'staged'";

const BY_REFERENCE = {
  index: 'sends_reference',
  equal: { caller: ':caller', reference: ':reference' },
  within: ['reference IS NOT NULL'],
};
const TO_ONE = {
  index: 'sends_recipient',
  equal: { caller: ':caller', recipient: ':to' },
  within: ['recipient IS NOT NULL'],
};
const OF_TEMPLATE = {
  index: 'sends_template',
  equal: { caller: ':caller', template: ':template' },
  within: ['template IS NOT NULL', CLAIMED],
};

export function planOf(filter: MessageFilter): ListPlan {
  // Staged recipients have no delivery.
  const states = filter.delivery === undefined ? statesShownAs(filter.status) : undefined;
  return {
    recorded: recordedWays(filter),
    ...(states !== undefined && { staged: { ways: stagedWays(filter, states), states } }),
  };
}

function recordedWays(filter: MessageFilter): readonly Way[] {
  const { reference, to, broadcastId, template } = filter;
  const found: Way[] = [];
  if (reference !== undefined)
    found.push([{ ...BY_REFERENCE, also: [NOT_STAGED, ...conditionsOf(filter, ['reference'])] }]);
  if (to !== undefined) found.push([{ ...TO_ONE, also: [NOT_STAGED, ...conditionsOf(filter, ['to'])] }]);
  if (broadcastId !== undefined) found.push(ofBroadcast(filter));
  found.push(...byDelivery(filter), ...byStatus(filter));
  if (template !== undefined) found.push([{ ...OF_TEMPLATE, also: conditionsOf(filter, ['template']) }]);
  return found.length > 0 ? found : [everything(filter)];
}

/** Single messages, and recipients of broadcasts. */
function everything(filter: MessageFilter): Way {
  const equal = { caller: ':caller' };
  const also = conditionsOf(filter, []);
  return [
    { index: 'sends_caller', equal, within: ['broadcast_id IS NULL'], also },
    { index: 'sends_claimed', equal, within: [IN_BROADCAST, CLAIMED], also },
  ];
}

function ofBroadcast(filter: MessageFilter): Way {
  const { status } = filter;
  const equal = { broadcast_id: ':broadcastId' };
  const rest = (...fulfilled: Narrowing[]) => [OF_CALLER, ...conditionsOf(filter, ['broadcastId', ...fulfilled])];
  if (status === undefined || !FAILED.includes(`'${status}'`)) {
    return [{ index: 'sends_broadcast', equal, within: [IN_BROADCAST, CLAIMED], also: rest() }];
  }
  const failed = { ...equal, status: `'${status}'` };
  return [{ index: 'sends_failed', equal: failed, within: [IN_BROADCAST, FAILED], also: rest('status') }];
}

function byDelivery(filter: MessageFilter): Way[] {
  return scanDelivered(filter).map(({ fulfils, ofCaller, ...scan }) => [
    { ...scan, also: [...(ofCaller ? [] : [OF_CALLER]), ...conditionsOf(filter, fulfils)] },
  ]);
}

/** No index contains accepted messages, because nearly every message is accepted. */
function byStatus(filter: MessageFilter): Way[] {
  if (filter.status === undefined || filter.status === 'accepted') return [];
  const also = conditionsOf(filter, ['status']);
  const within = ["status <> 'accepted'", CLAIMED];
  return [
    storedAs(filter.status).map((stored) => ({
      index: 'sends_status',
      equal: { caller: ':caller', status: `'${stored}'` },
      within,
      also,
    })),
  ];
}

function stagedWays(filter: MessageFilter, states: string): readonly Way[] {
  const { reference, to } = filter;
  const waits = ["status || '' = 'staged'", broadcastIsIn(states)];
  const also = (fulfilled: Narrowing) => [...waits, ...conditionsOf(filter, [fulfilled, 'status'])];
  return [
    ...(reference === undefined ? [] : [[{ ...BY_REFERENCE, also: also('reference') }]]),
    ...(to === undefined ? [] : [[{ ...TO_ONE, also: also('to') }]]),
  ];
}
