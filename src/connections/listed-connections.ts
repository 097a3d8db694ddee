import { withTimeout } from '../lib/with-timeout.ts';
import { acquire } from '../rate-limit/gcra.ts';
import type { Connections } from '../upstream/connections.ts';

/** Whether Maton's list contains a connection. */
export type Listed =
  | { is: 'listed' }
  | { is: 'unlisted' }
  /** The list cannot be read now. `missing`: the last list that was read does not contain the connection. */
  | { is: 'unavailable'; missing: boolean; error?: unknown };

/**
 * Tells whether Maton knows a connection. A name in the last list is answered from memory. Any other name reads the list again;
 * all concurrent checks share that read, and its rate is limited, however many names are invented.
 */
export interface ListedConnections {
  /** The connection is in the last list. */
  knows(id: string): boolean;
  /** Never throws. Waits until `deadline` (`performance.now()`) at most. */
  check(id: string, deadline: number): Promise<Listed>;
}

/** A burst allows new connections to be found at once; on average the list is read at most every two seconds. */
const looks = { perSecond: 0.5, burst: 5 };

interface Options {
  clock?: () => number;
  /** How long checks wait for a read of the list. Once it has taken longer, further checks do not wait for it. */
  timeoutMs?: number;
}

export function createListedConnections(
  connections: Pick<Connections, 'recent' | 'known'>,
  { clock = () => performance.now(), timeoutMs = 5_000 }: Options = {},
): ListedConnections {
  let arrivalTime = Number.NEGATIVE_INFINITY;
  let last: { list: Promise<{ error?: unknown }>; isLate: boolean } | undefined;
  let isUnderWay = false;

  const knows = (id: string) => connections.known?.has(id) ?? false;

  /** The read in progress, a new one, or the last one if the rate limit is reached. */
  const current = (): NonNullable<typeof last> | undefined => {
    if (isUnderWay) return last;
    const permit = acquire(arrivalTime, clock(), looks);
    if (permit.waitMs > 0) return last;
    arrivalTime = permit.arrivalTime;
    isUnderWay = true;
    const list = connections.recent(0, { once: true }).then(
      () => ({}),
      (error: unknown) => ({ error }),
    );
    const look = { list, isLate: false };
    last = look;
    const timer = setTimeout(() => {
      look.isLate = true;
    }, timeoutMs).unref();
    void list.then(() => {
      isUnderWay = false;
      look.isLate = false;
      clearTimeout(timer);
    });
    return look;
  };

  return {
    knows,
    check: async (id, deadline) => {
      if (knows(id)) return { is: 'listed' };
      const look = current();
      const waitMs = look?.isLate ? 0 : Math.min(deadline - performance.now(), timeoutMs);
      const ended = look && (await withTimeout(look.list, waitMs, () => undefined));
      if (knows(id)) return { is: 'listed' };
      const { known } = connections;
      if (ended && ended.error === undefined && known) return { is: 'unlisted' };
      const error = ended?.error;
      return { is: 'unavailable', missing: known !== undefined, ...(error !== undefined && { error }) };
    },
  };
}
