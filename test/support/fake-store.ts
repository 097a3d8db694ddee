import { StoreError } from '../../src/store/errors.ts';
import type { Store } from '../../src/store/open.ts';

/** A store with some operations replaced. Every other one runs on the real store. */
export function fakeStore<Port extends object>(real: Port, overrides: Partial<Port>): Port {
  return new Proxy(real, {
    get(target, name) {
      if (Object.hasOwn(overrides, name)) return Reflect.get(overrides, name);
      const value: unknown = Reflect.get(target, name);
      // Bound, because a proxy has no access to private fields.
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

type Operation = keyof Store;

/** A store of which operations fail for as long as they are named in `failing`, as on a full disk. */
export function failingStore(real: Store): {
  store: Store;
  failing: Set<Operation>;
  how: { notCommitted: boolean };
  /** How many calls have failed. */
  failures(): number;
} {
  let failed = 0;
  const failing = new Set<Operation>();
  const how = { notCommitted: true };
  const isFailing = (name: string | symbol): boolean => [...failing].some((operation) => operation === name);
  const store = new Proxy(real, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== 'function') return value;
      return (...values: unknown[]) => {
        if (!isFailing(name)) return Reflect.apply(value, target, values);
        failed += 1;
        return Promise.reject(new StoreError('the disk is full', how));
      };
    },
  });
  return { store, failing, how, failures: () => failed };
}

/** Whether an operation writes to the disk. A new operation does not compile before it is listed. */
const WRITES: Readonly<Record<Operation, boolean>> = {
  insert: true,
  claim: true,
  requeue: true,
  complete: true,
  claimAll: true,
  requeueAll: true,
  completeAll: true,
  deleteUnsent: true,
  markReconciled: true,
  countLookalikes: false,
  sameContent: false,
  find: false,
  findByKey: false,
  list: false,
  recoverOrphans: true,
  listQueues: false,
  adoptOrphans: true,
  listOwnQueued: false,
  countQueued: false,
  pin: true,
  findPin: false,
  replacePin: true,
  purge: true,
  counts: false,
  check: true,
  heartbeat: false,
  resolveInDoubt: true,
  holdsLease: false,
  epoch: false,
  close: false,
  reservePermit: false,
  blockReservations: false,
  takeTokens: false,
  takeDueLookups: true,
  takeDueOfRecipient: true,
  recordLookups: true,
  requestReconciliation: true,
  reconcileProgress: false,
  countDueLookups: false,
  quotaLeft: false,
  spendQuota: true,
  openBroadcast: true,
  addRecipients: true,
  addResends: true,
  publishBroadcast: true,
  discardBroadcast: true,
  findBroadcast: false,
  findBroadcastByKey: false,
  countRejections: false,
  listBroadcasts: false,
  listRecipients: false,
  listResendable: false,
  countOptedOut: false,
  changeBroadcastStatus: true,
  countPausedByService: false,
  listRunningQueues: false,
  listRunningBroadcasts: false,
  claimBatch: true,
  takePace: true,
  listClaimed: false,
  sweepBroadcasts: true,
  findSendingStop: false,
  stopSending: true,
  listCallers: false,
  summarizeWork: false,
  countOpenBroadcasts: false,
  listMessagesOf: false,
  listAllBroadcasts: false,
  changeAnyBroadcastStatus: true,
  cancelQueued: true,
  cancelBroadcasts: true,
  findAnyMessage: false,
  noteRequeued: true,
  findAnyBroadcast: false,
  findBroadcasts: false,
  listOpenBroadcasts: false,
  listUnknown: false,
  addCallerCounts: true,
  callerCountsToday: false,
  quotasLeft: false,
  countPerson: false,
  cancelPerson: true,
  erasePerson: true,
  scrub: true,
  recordIntake: true,
  dueIntake: true,
  postponeIntake: true,
  failIntake: true,
  retryFailedIntake: true,
  intakeState: false,
  findTracked: false,
  findByContent: false,
  applyTracking: true,
  deliveryCounts: false,
  noteConversations: true,
  conversation: false,
  lastSendTo: false,
  listPersonTracking: false,
  sendingConnections: false,
  openRecipients: false,
  openSends: false,
  schedulePolls: true,
  duePolls: true,
  pollDone: true,
  spendPoll: true,
  pollLoad: false,
  countCalls: true,
  monthCalls: false,
  noteListening: true,
  countPersonTracking: false,
  listPersonEvents: false,
  erasePersonTracking: true,
  setSubscriptions: true,
  pendingFacts: false,
  recordEvents: true,
  eventPositions: false,
  readEvents: false,
  findEvent: false,
  readNewEvents: false,
  eventBefore: false,
  onForeignEvents: false,
  expireEvents: true,
  createEndpoint: true,
  findEndpoint: false,
  listEndpoints: false,
  updateEndpoint: true,
  deleteEndpoint: true,
  rotateEndpointSecret: true,
  claimEndpoints: true,
  saveEndpointProgress: true,
  wallNow: false,
  scheduleState: false,
  startDue: true,
  startDueBroadcasts: true,
  countScheduledBroadcasts: false,
  expireLate: true,
  expire: true,
  dueParked: false,
  nextParkedDueInMs: false,
  parkedCounts: false,
  listDeliveries: false,
  replayEndpoint: true,
};

const writes = new Map<string, boolean>(Object.entries(WRITES));
const isWrite = (name: string): name is Operation => writes.get(name) === true;

/** What a full disk takes away: reads go on. */
export const everyWrite: readonly Operation[] = Object.keys(WRITES).filter(isWrite);
