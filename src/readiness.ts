import type { ConnectionPin } from './connections/connection-pin.ts';
import type { StopSwitch } from './holds/sending-stop.ts';
import { withTimeout } from './lib/with-timeout.ts';
import { Problem } from './problem.ts';
import type { Ready } from './schemas/health.ts';
import type { BroadcastStore } from './store/broadcast-store.ts';
import type { MessageStore } from './store/message-store.ts';
import type { Connections, MatonConnection } from './upstream/connections.ts';
import { ExpiredConnections } from './upstream/expired-connections.ts';
import type { CallReport, HttpResponse } from './upstream/types.ts';

export interface Readiness {
  /** Asks the control API at most once in ten seconds per key, however often it is called. Never throws. */
  check(): Promise<Ready>;
  /** Records whether upstream calls that are made anyway reach the gateway. */
  observe(report: CallReport): void;
  /** Records whether the gateway reports a connection as expired. */
  heard(connection: string, answer: HttpResponse): void;
  /** From now on the state is `draining`. */
  drain(): void;
}

const trustedMs = 10_000;

/** A probe waits only briefly. If Maton answers later, the next probe gets the answer. */
const checkTimeoutMs = 1_000;
const silent = { gateway: 'unreachable', key: 'unknown', connection: 'unknown' } as const;

/** A full disk or an unavailable database is noticed within a second, and so is its recovery. */
const storeTrustedMs = 1_000;

/** A store that does not answer for this long, as on a disk that hangs, counts as failing until it does. */
const storeTimeoutMs = 5_000;

interface ReadinessServices {
  store: Pick<MessageStore, 'check'> & Pick<BroadcastStore, 'countPausedByService'>;
  stopSwitch: Pick<StopSwitch, 'stopped'>;
  pin: Pick<ConnectionPin, 'otherThan'>;
  /** The Maton key in use. Results for another key are discarded. */
  matonKey: () => string;
  /** Recovery of what earlier processes left has ended. */
  hasRecovered: () => boolean;
}

export function createReadiness(
  connections: Connections,
  configured: string | undefined,
  { store, stopSwitch, pin, matonKey, hasRecovered }: ReadinessServices,
): Readiness {
  const expired = new ExpiredConnections();
  let usable: readonly string[] = [];
  let draining = false;
  let gatewayIsDown = false;
  const checkStore = createStoreCheck(store);
  let last: { at: number; key: string; state: Promise<ControlState> } | undefined;

  const ask = async (maxAgeMs: number): Promise<ControlState> => {
    try {
      const all = await connections.recent(maxAgeMs, { once: true });
      usable = all
        .filter(({ id, status }) => status === 'ACTIVE' && (configured === undefined || id === configured))
        .map(({ id }) => id);
      const connection = usable.length === 0 ? 'none' : (await isAnother(all)) ? 'changed' : 'active';
      return { gateway: 'reachable', key: 'accepted', connection };
    } catch (error) {
      const refused = error instanceof Problem && error.slug === 'upstream-unauthorized';
      return refused ? { gateway: 'reachable', key: 'refused', connection: 'unknown' } : silent;
    }
  };

  /** The only active connection is not the one that was used before. */
  const isAnother = async (all: readonly MatonConnection[]): Promise<boolean> => {
    const [only, ...others] = all.filter(({ status }) => status === 'ACTIVE');
    if (configured !== undefined || !only || others.length > 0) return false;
    return (await pin.otherThan(only.id).catch(() => undefined)) !== undefined;
  };

  return {
    check: async () => {
      const key = matonKey();
      const isNewKey = last !== undefined && last.key !== key;
      if (!last || isNewKey || performance.now() - last.at > trustedMs) {
        last = { at: performance.now(), key, state: ask(isNewKey ? 0 : trustedMs) };
      }
      const { store, held } = await checkStore();
      const state = { store, ...(await withTimeout(last.state, checkTimeoutMs, () => silent)) };
      if (gatewayIsDown) state.gateway = 'unreachable';
      const able = state.store === 'writable' && state.key !== 'refused' && state.connection !== 'none';
      const { all, callers, connections } = stopSwitch.stopped;
      const isStopped = all || callers.length + connections.length > 0;
      const started = able ? (hasRecovered() ? 'ready' : 'recovering') : 'not-ready';
      return {
        status: draining ? 'draining' : started,
        ...state,
        // These do not take the instance out of service: no other instance could send either, and reads still work. Only a call can
        // show that a connection works again, so calls are let in.
        ...(state.connection === 'active' && expired.isEvery(usable) && { authorization: 'expired' as const }),
        ...(isStopped && { sending: 'stopped' as const }),
        ...(held > 0 && { broadcasts: 'held' as const }),
      };
    },
    observe: ({ host, bytesSent, errorCode }) => {
      if (host === 'gateway') gatewayIsDown = errorCode !== undefined && !bytesSent;
    },
    heard: (connection, answer) => expired.heard(connection, answer),
    drain: () => {
      draining = true;
    },
  };
}

interface StoreState {
  store: Ready['store'];
  /** Broadcasts that the service has paused. */
  held: number;
}

/** One check at a time, because checks that wait for a disk that hangs would pile up. */
function createStoreCheck(store: ReadinessServices['store']): () => Promise<StoreState> {
  let last: { at: number; state: Promise<StoreState>; isPending: boolean } | undefined;
  const begin = () => {
    const state = store
      .check()
      .then(
        () => 'writable' as const,
        () => 'failing' as const,
      )
      .then(async (state) => ({ store: state, held: await store.countPausedByService().catch(() => 0) }));
    const check = { at: performance.now(), state, isPending: true };
    void state.then(() => {
      check.isPending = false;
    });
    return check;
  };
  return () => {
    const now = performance.now();
    if (!last || (!last.isPending && now - last.at > storeTrustedMs)) last = begin();
    return withTimeout(last.state, last.at + storeTimeoutMs - now, () => ({ store: 'failing', held: 0 }));
  };
}

type ControlState = Omit<Ready, 'status' | 'store' | 'sending' | 'broadcasts' | 'authorization'>;
