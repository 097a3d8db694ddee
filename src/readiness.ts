import { Problem } from './problem.ts';
import type { Ready } from './schemas/health.ts';
import type { Connections } from './upstream/connections.ts';

export interface Readiness {
  /** Asks the control API at most once in ten seconds, however often it is called. Never throws. */
  check(): Promise<Ready>;
  /** From now on the answer is `draining`. */
  drain(): void;
}

const trustedMs = 10_000;

export function createReadiness(connections: Connections, configured: string | undefined): Readiness {
  let draining = false;
  let last: { at: number; state: Promise<Omit<Ready, 'status'>> } | undefined;

  const ask = async (): Promise<Omit<Ready, 'status'>> => {
    try {
      const all = await connections.recent(trustedMs);
      const usable = all.some(
        ({ id, status }) => status === 'ACTIVE' && (configured === undefined || id === configured),
      );
      return { gateway: 'reachable', key: 'accepted', connection: usable ? 'active' : 'none' };
    } catch (error) {
      const refused = error instanceof Problem && error.slug === 'upstream-unauthorized';
      return refused
        ? { gateway: 'reachable', key: 'refused', connection: 'unknown' }
        : { gateway: 'unreachable', key: 'unknown', connection: 'unknown' };
    }
  };

  return {
    check: async () => {
      if (!last || performance.now() - last.at > trustedMs) last = { at: performance.now(), state: ask() };
      const state = await last.state;
      const able = state.key !== 'refused' && state.connection !== 'none';
      return { status: draining ? 'draining' : able ? 'ready' : 'not-ready', ...state };
    },
    drain: () => {
      draining = true;
    },
  };
}
