import type { FastifyReply, FastifyRequest } from 'fastify';
import { remoteKey } from './remote-address.ts';
import { requestLogOf } from './request-log.ts';

type LogRequest = (request: FastifyRequest, reply: FastifyReply) => void;

interface SampleOptions {
  /** Logs how many lines were left out. */
  tell: (line: { status: number; problem: string; route: string; left: number }) => void;
  /** How many equal refusals are logged in each window. */
  most?: number;
  windowMs?: number;
  /** Steady milliseconds. */
  clock?: () => number;
}

export interface SampledLog {
  log: LogRequest;
  /** How many lines were left out; only grows. */
  readonly left: number;
  /** Ends windows that are over and logs how many lines each left out; runs once a second. */
  flush(): void;
  close(): void;
}

/** Kinds of refusals counted at the same time; when there are more, each line is logged. */
const kindsMax = 1_000;

/** Statuses that floods of requests cause. Such requests cost their sender nothing, and their log lines are alike. */
const floods = new Set([401, 403, 404, 405, 413, 415, 429]);

/** A line with the outcome of a send is always logged, because callers ask about single messages. */
function isSampled(request: FastifyRequest, status: number): boolean {
  const { outcome, problem } = requestLogOf(request);
  return outcome === undefined && (floods.has(status) || problem === 'overloaded');
}

interface Window {
  readonly until: number;
  readonly status: number;
  readonly problem: string;
  readonly route: string;
  logged: number;
  left: number;
}

/**
 * Writes the log line of each request. Of refusals that are alike (same status, problem, route, and caller or else remote
 * address) only the first few in each window are logged; the others are counted, and their number is logged when the window
 * ends.
 */
export function sampleRefusals(
  logRequest: LogRequest,
  { tell, most = 10, windowMs = 10_000, clock = () => performance.now() }: SampleOptions,
): SampledLog {
  const windows = new Map<string, Window>();
  let left = 0;

  const flush = () => {
    const now = clock();
    for (const [kind, window] of windows) {
      if (now < window.until) continue;
      windows.delete(kind);
      const { status, problem, route } = window;
      if (window.left > 0) tell({ status, problem, route, left: window.left });
    }
  };
  const timer = setInterval(flush, 1_000).unref();

  const isLeftOut = (request: FastifyRequest, status: number): boolean => {
    const { problem = 'none' } = requestLogOf(request);
    const route = request.routeOptions.url ?? 'none';
    const who = request.caller?.id ?? remoteKey(request.raw.socket);
    const kind = [status, problem, route, who].join(' ');
    let window = windows.get(kind);
    if (window === undefined) {
      if (windows.size >= kindsMax) return false;
      window = { until: clock() + windowMs, status, problem, route, logged: 0, left: 0 };
      windows.set(kind, window);
    }
    if (window.logged < most) {
      window.logged += 1;
      return false;
    }
    window.left += 1;
    left += 1;
    return true;
  };

  return {
    log: (request, reply) => {
      if (isSampled(request, reply.statusCode) && isLeftOut(request, reply.statusCode)) return;
      logRequest(request, reply);
    },
    get left() {
      return left;
    },
    flush,
    close: () => {
      clearInterval(timer);
      // Log the rest, even of windows that have just begun.
      for (const { status, problem, route, left: count } of windows.values()) {
        if (count > 0) tell({ status, problem, route, left: count });
      }
      windows.clear();
    },
  };
}
