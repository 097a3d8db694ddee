import { postgresDialect as dialect } from '../../src/store/postgres/engine.ts';
import { indexSettings, listSettings, rowSettings } from '../../src/store/postgres/pools.ts';
import { recipientReads } from '../../src/store/sql/broadcast-recipients.ts';
import * as broadcasts from '../../src/store/sql/broadcast-statements.ts';
import { callerCountStatements } from '../../src/store/sql/caller-counts.ts';
import { conversationStatements } from '../../src/store/sql/conversation-statements.ts';
import { type Statement, statement, type Value } from '../../src/store/sql/engine.ts';
import { eventStatements } from '../../src/store/sql/event-statements.ts';
import { intakeStatements } from '../../src/store/sql/intake-statements.ts';
import { messageStatements } from '../../src/store/sql/message-statements.ts';
import { operatorMessageStatements } from '../../src/store/sql/operator-message-statements.ts';
import { operatorStatements } from '../../src/store/sql/operator-statements.ts';
import { personStatements } from '../../src/store/sql/person-statements.ts';
import { pollStatements } from '../../src/store/sql/poll-statements.ts';
import { queueStatements } from '../../src/store/sql/queue-statements.ts';
import { quotaStatements } from '../../src/store/sql/quotas.ts';
import { reconcileStatements } from '../../src/store/sql/reconciliation.ts';
import { recoveryStatements } from '../../src/store/sql/recovery-statements.ts';
import { retentionStatements } from '../../src/store/sql/retention-statements.ts';
import { scheduleStatements } from '../../src/store/sql/schedules.ts';
import { trackingStatements } from '../../src/store/sql/tracking-statements.ts';
import { deliveryStatements } from '../../src/store/sql/webhook-delivery-statements.ts';
import { endpointStatements, progressStatements } from '../../src/store/sql/webhook-statements.ts';

export interface PlannedStatement {
  name: string;
  statement: Statement;
  values: Record<string, Value>;
  /** How many rows, and how many pages, it may touch. */
  most: number;
}

interface Planned {
  /** Of the connections that run them. */
  settings: string;
  statements: PlannedStatement[];
}

/** Rare statements, which may read all that waits or failed, or all that is known of one person. */
const RARE = [
  ...['intake.countPerson', 'intake.listPerson', 'intake.erasePerson', 'intake.retry', 'events.dropUnasked'],
  'person.count',
];

/** Counts that stop at 10,000, and samples of up to 20,000 messages. */
const COUNTS = [
  'endpointDeliveries.countWalk',
  'endpointDeliveries.countFailed',
  'endpointProgress.counts',
  'intake.state',
  'reconcile.left',
  'reconcile.lostCalls',
  'operatorMessages.groupUnknown',
];
const COUNTED_MOST = 25_000;
/** Other statements change up to 50 rows, each with its entries in up to 15 indexes. */
const TOUCHED_MOST = 2_500;

const { looked, postpone, ask, clock, askBatch, askEach, left, lostCalls, due, ...looks } =
  reconcileStatements(dialect);
const { sweeps, hasOpen } = broadcasts.broadcastSweepStatements(dialect);
const { fence, ...recovery } = recoveryStatements(dialect);
const all: Record<string, Record<string, Statement>> = {
  messages: messageStatements(dialect),
  quotas: quotaStatements,
  callers: callerCountStatements(dialect),
  queues: queueStatements(dialect),
  recovery,
  retention: retentionStatements(dialect),
  schedules: scheduleStatements(dialect),
  reconcile: { looked, postpone, ask, clock, askBatch, askEach, left, lostCalls, due },
  ...Object.fromEntries(Object.entries(looks).map(([name, { hasDue, takeDue }]) => [name, { hasDue, takeDue }])),
  broadcasts: { ...broadcasts.broadcastReads, ...recipientReads(dialect) },
  recording: broadcasts.broadcastRecordingStatements(dialect),
  discarding: broadcasts.broadcastDiscardStatements(dialect),
  progress: broadcasts.broadcastProgressStatements(dialect),
  sweeps: { ...Object.fromEntries(sweeps.entries()), hasOpen },
  person: { ...personStatements(dialect) },
  operator: { ...operatorStatements(dialect) },
  operatorMessages: operatorMessageStatements(dialect),
  intake: { ...intakeStatements(dialect) },
  tracking: { ...trackingStatements(dialect) },
  conversations: { ...conversationStatements(dialect) },
  polls: { ...pollStatements(dialect) },
  events: { ...eventStatements(dialect) },
  endpoints: { ...endpointStatements(dialect) },
  endpointProgress: { ...progressStatements(dialect) },
  endpointDeliveries: { ...deliveryStatements(dialect) },
  tallies: dialect.mergeTallies ? { merge: dialect.mergeTallies, check: statement(dialect.check) } : {},
};

const MARKS = ['insert', 'insertAll', 'insertCharged', 'claim', 'claimAll', 'complete', 'completeAll', 'requeueAll'];
const ON_MARKS = [...MARKS.map((name) => `messages.${name}`), 'quotas.charge', 'quotas.refundSend'];
const APPLIED = ['find', 'lockMessages', 'readBefore', 'recordProof', 'createDelivery', 'joinFacts'];
const ON_WEBHOOKS = [
  ...['record', 'due', 'done', 'postpone', 'fail'].map((name) => `intake.${name}`),
  ...APPLIED.map((name) => `tracking.${name}`),
  ...['note', 'endProvisional'].map((name) => `conversations.${name}`),
];
const ON_LISTS = [
  ...['list', 'listAfter', 'report', 'resendable', 'countOptedOut'].map((name) => `broadcasts.${name}`),
  ...['findUnknown', 'countUnknown', 'groupUnknown'].map((name) => `operatorMessages.${name}`),
  ...['page', 'newOfAll', 'before'].map((name) => `events.${name}`),
  ...['list', 'countFailed', 'countWalk', 'failedBatch'].map((name) => `endpointDeliveries.${name}`),
  ...['reconcile.lostCalls', 'polls.connections', 'polls.openRecipients'],
];

/** A row for any table of given rows: each statement names the columns that it takes. */
const given = (n: number): Record<string, Value> => ({
  ...{
    id: `s${n * 20}`,
    seq: n * 20,
    attempt: 1,
    place: n,
    caller: 'crm',
    connection: 'c1',
    contact: `49${n}`,
    key: `new${n}`,
  },
  ...{
    type: 'message.received',
    fact: `new:${n}`,
    fact_seq: n,
    event: `evt_${n * 4}`,
    at: n,
    data: '{}',
    detail: 'why',
    scope: 'all',
  },
  ...{
    name: 'accepted',
    n: 1,
    recipient: `49${n}`,
    in_ms: 1_000,
    kind: 'template',
    template: 't',
    local: `s${n}`,
    whatsapp: `w${n}`,
  },
  ...{
    wati: `w${n * 20}`,
    by_id: 1,
    rank: 3,
    sent: n,
    source: 'webhook',
    wall: 1,
    received: 1,
    body: '{}',
    entry: n,
    ms: 1,
    back: n,
  },
  ...{
    phone: `49${n}`,
    bsuid: `US.${n}`,
    contact_id: `id${n}`,
    state: 'pending',
    tries: 1,
    due_in: 1,
    pattern: '%x%',
    call: '{}',
  },
  ...{ connectionid: 'c1', code: 'other', verdict: '{}', mac: 'm', content: null, resend_of: `s${n * 20 + 18}` },
});
const rowsWith = (more: (n: number) => Record<string, Value> = () => ({}), length = 20): string =>
  JSON.stringify(Array.from({ length }, (_, n) => ({ ...given(n + 1), ...more(n) })));
const fresh = rowsWith((n) => ({ id: `fresh${n}`, resendof: null }));

const DAY_MS = 86_400_000;
const common: Record<string, Value> = {
  ...{
    me: 1,
    limit: 50,
    wall: 2,
    id: 's100',
    caller: 'crm',
    connection: 'c1',
    connectionId: 'c1',
    connection_id: 'c1',
    owner: 9,
    n: 1,
  },
  ...{
    rows: rowsWith(),
    kind: 'text',
    recipient: '49151',
    template: 'template_1',
    route: 'POST /v1/messages/text',
    key: 'k9',
    call: '{}',
  },
  ...{
    attempt: 1,
    status: 'queued',
    detail: 'why',
    code: 'x',
    outcome: '{}',
    verdict: '{}',
    since: 1,
    before: 9e12,
    after: 0,
    at: 1,
  },
  ...{
    to: '49151',
    name: 'n',
    day: 20261130,
    oldest: 20261001,
    month: 202611,
    hour: 1,
    perHour: 9,
    perDay: 9,
    each: 50,
    by: 'caller',
  },
  ...{
    keyRetentionMs: DAY_MS,
    unknownRetentionMs: DAY_MS,
    shorterRetentionMs: DAY_MS,
    recordRetentionMs: DAY_MS,
    dedupeMs: DAY_MS,
  },
  ...{
    eventRetentionMs: DAY_MS,
    epoch: 1,
    every: 1,
    most: 100,
    lease: 1,
    inMs: 1,
    fromMs: DAY_MS,
    untilMs: 0,
    askedAt: 1,
    position: 1,
  },
  ...{
    request: 1,
    ahead: '[]',
    replayAhead: '[]',
    types: '[]',
    url: 'u',
    changedBy: 'me',
    reason: 'why',
    failures: 0,
    attempts: 1,
  },
  ...{
    leftOut: 0,
    shownEarly: 0,
    chargedBy: 's100',
    resendOf: 's19',
    localMessageId: 'l',
    whatsappMessageId: 'w',
    place: 0,
    local_id: 'l',
  },
  ...{
    lostCall: 'lost5',
    fingerprint: 'f',
    contentMac: 'm',
    mac: 'm',
    content: 'f',
    whatsapp_id: 'w',
    lost_call: null,
    channel: null,
    fileName: null,
  },
  ...{
    channelAttempt: null,
    reference: null,
    sendAt: null,
    notAfter: null,
    perMinute: null,
    description: null,
    disable: null,
  },
  ...{ lastSuccessAt: null, failingSince: null, replayPosition: null, replayUntil: null },
};

const ofBroadcast = (id: string): Record<string, Value> => ({ id, status: 'rejected', to: 'paused' });
const particular: Record<string, Record<string, Value>> = {
  ...Object.fromEntries(
    [
      'progress.claimBatch',
      'progress.listClaimed',
      'progress.changeStatus',
      'broadcasts.report',
      'broadcasts.find',
    ].map((name) => [name, ofBroadcast('running')]),
  ),
  ...Object.fromEntries(
    ['reconcile.left', 'reconcile.askBatch', 'reconcile.lostCalls', 'broadcasts.resendable'].map((name) => [
      name,
      ofBroadcast('done'),
    ]),
  ),
  ...Object.fromEntries(
    ['recording.addRecipients', 'recording.addResends', 'recording.incrementTotal', 'recording.countAdded'].map(
      (name) => [name, { ...ofBroadcast('recording'), rows: fresh }],
    ),
  ),
  // The batch that `askBatch` finds: of twenty messages one is unknown.
  'reconcile.askEach': { ...ofBroadcast('done'), until: 1_000 },
  'messages.insert': { id: 'new', key: 'new', resendOf: null },
  'messages.insertCharged': { id: 'new', key: 'new', resendOf: null },
  'messages.complete': { status: 'accepted' },
  'messages.completeAll': { rows: rowsWith(() => ({ status: 'accepted' })) },
  'messages.insertAll': { rows: fresh },
  ...Object.fromEntries(
    ['callers.add', 'polls.count', 'polls.watch'].map((name) => [name, { rows: rowsWith(undefined, 1) }]),
  ),
  'messages.countLookalikes': { until: 1_000 },
  'endpoints.create': { id: 'e10' },
  'endpointDeliveries.retryFailed': { id: 'e1', until: 200 },

  'endpointDeliveries.list': { id: 'e1', status: null },
};

export function plannedStatements(rows: number): Planned[] {
  const planned = Object.entries(all).flatMap(([group, statements]) =>
    Object.entries(statements).map(([key, each]): PlannedStatement => {
      const name = `${group}.${key}`;
      const ofEndpoint = group.startsWith('endpoint') ? { id: 'e1' } : {};
      const most = COUNTS.includes(name) ? COUNTED_MOST : TOUCHED_MOST;
      return { name, most, statement: each, values: { ...common, until: rows, ...ofEndpoint, ...particular[name] } };
    }),
  );
  const on = (names: readonly string[]) => planned.filter(({ name }) => names.includes(name));
  const elsewhere = new Set([...RARE, ...ON_MARKS, ...ON_WEBHOOKS, ...ON_LISTS]);
  return [
    { settings: rowSettings, statements: on([...ON_MARKS, ...ON_WEBHOOKS]) },
    { settings: listSettings, statements: on(ON_LISTS) },
    { settings: indexSettings, statements: planned.filter(({ name }) => !elsewhere.has(name)) },
  ];
}
