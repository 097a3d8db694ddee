import type { Store } from '../../src/store/open.ts';
import { StoreError } from '../../src/store/port.ts';

/** A store of which some verbs fail for as long as they are named in `failing`, as on a full disk. */
export function failingStore(store: Store): {
  store: Store;
  failing: Set<string | symbol>;
  how: { nothingWritten: boolean };
  /** How many calls have failed. */
  refusals(): number;
} {
  let refused = 0;
  const failing = new Set<string | symbol>();
  const how = { nothingWritten: true };
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
  'record',
  'begin',
  'retreat',
  'settle',
  'beginAll',
  'retreatAll',
  'settleAll',
  'forget',
  'resolve',
  'recover',
  'check',
  'purge',
  'dueForReconcile',
  'openBroadcast',
  'addRecipients',
  'releaseBroadcast',
  'discardBroadcast',
  'steerBroadcast',
  'claimGroup',
  'sweepBroadcasts',
  'openBroadcast',
  'addRecipients',
  'releaseBroadcast',
  'discardBroadcast',
  'steerBroadcast',
  'claimGroup',
  'sweepBroadcasts',
];
