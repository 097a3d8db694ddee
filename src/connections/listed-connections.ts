import { takePermit } from '../budget/gcra.ts';
import type { Connections } from '../upstream/connections.ts';

/** What Maton's list says of a connection. */
export type Listed =
  | { is: 'listed' }
  | { is: 'unlisted' }
  /** It cannot be had now. `missing`: the last one that could be had does not name the connection. */
  | { is: 'unavailable'; missing: boolean; error?: unknown };

/**
 * Tells connections that Maton knows from names that somebody made up. What the last list named costs a look into a set;
 * another name leads to a fresh list, which all who ask meanwhile share. Those are few, however many names are made up.
 */
export interface ListedConnections {
  /** It stands in the last list. */
  knows(id: string): boolean;
  /** Never throws. Waits until then (`performance.now()`) at most. */
  look(id: string, untilMs: number): Promise<Listed>;
}

/** A new connection is found at once, and its list asked for no more often than once in two seconds for long. */
const looks = { perSecond: 0.5, burst: 5 };

interface Options {
  clock?: () => number;
  /** How long those who began a look wait for it; those who come later do not wait at all. */
  patienceMs?: number;
}

export function createListedConnections(
  connections: Pick<Connections, 'recent' | 'known'>,
  { clock = () => performance.now(), patienceMs = 5_000 }: Options = {},
): ListedConnections {
  let tat = Number.NEGATIVE_INFINITY;
  let last: { list: Promise<{ error?: unknown }>; isLate: boolean } | undefined;
  let isUnderWay = false;

  const knows = (id: string) => connections.known?.has(id) ?? false;

  /** One that is under way, a new one, or how the last one ended where there were too many. */
  const current = (): NonNullable<typeof last> | undefined => {
    if (isUnderWay) return last;
    const permit = takePermit(tat, clock(), looks);
    if (permit.waitMs > 0) return last;
    tat = permit.tat;
    isUnderWay = true;
    const list = connections.recent(0, { once: true }).then(
      () => ({}),
      (error: unknown) => ({ error }),
    );
    const look = { list, isLate: false };
    last = look;
    const timer = setTimeout(() => {
      look.isLate = true;
    }, patienceMs).unref();
    void list.then(() => {
      isUnderWay = false;
      look.isLate = false;
      clearTimeout(timer);
    });
    return look;
  };

  return {
    knows,
    look: async (id, untilMs) => {
      if (knows(id)) return { is: 'listed' };
      const look = current();
      const waitMs = look?.isLate ? 0 : Math.min(untilMs - performance.now(), patienceMs);
      const ended = look && (await within(waitMs, look.list));
      if (knows(id)) return { is: 'listed' };
      const { known } = connections;
      if (ended && ended.error === undefined && known) return { is: 'unlisted' };
      const error = ended?.error;
      return { is: 'unavailable', missing: known !== undefined, ...(error !== undefined && { error }) };
    },
  };
}

/** Undefined: it takes longer. */
function within<Value>(ms: number, promise: Promise<Value>): Promise<Value | undefined> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, Math.max(0, ms), undefined);
    void promise.then((value) => {
      clearTimeout(timer);
      resolve(value);
    });
  });
}
