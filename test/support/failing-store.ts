import { StoreError } from '../../src/store/errors.ts';
import type { Store } from '../../src/store/open.ts';

/** A store of which some verbs fail for as long as they are named in `failing`, as on a full disk. */
export function failingStore(store: Store): {
  store: Store;
  failing: Set<string | symbol>;
  how: { notCommitted: boolean };
  /** How many calls have failed. */
  refusals(): number;
} {
  let refused = 0;
  const failing = new Set<string | symbol>();
  const how = { notCommitted: true };
  const handler: ProxyHandler<Store> = {
    get(target, name) {
      const verb: unknown = Reflect.get(target, name);
      if (typeof verb !== 'function') return verb;
      return (...values: unknown[]) => {
        if (!failing.has(name)) return Reflect.apply(verb, target, values);
        refused += 1;
        return Promise.reject(new StoreError('the disk is full', how));
      };
    },
  };
  return { store: new Proxy(store, handler), failing, how, refusals: () => refused };
}

/** What a full disk takes away: reads go on. */
export const everyWrite = [
  'insert',
  'claim',
  'requeue',
  'complete',
  'claimAll',
  'requeueAll',
  'completeAll',
  'deleteUnsent',
  'markReconciled',
  'recoverOrphans',
  'check',
  'purge',
  'takeDueLookups',
  'openBroadcast',
  'addRecipients',
  'publishBroadcast',
  'discardBroadcast',
  'changeBroadcastStatus',
  'claimBatch',
  'sweepBroadcasts',
  'openBroadcast',
  'addRecipients',
  'publishBroadcast',
  'discardBroadcast',
  'changeBroadcastStatus',
  'claimBatch',
  'sweepBroadcasts',
];
