import type { RateLimiter } from '../rate-limit/types.ts';
import { withChannel } from './channel-parameter.ts';
import { type CallerPriority, permitRequestOf, queueKey } from './permits.ts';
import { leftMs, notDispatched, queryString, reservedForCallMs, type Transport } from './transport.ts';
import type { Call, CallReport, HttpResult } from './types.ts';

/** The request that a read is made for. */
export interface ReadContext {
  /** Absent: the service reads for itself. */
  priority?: CallerPriority;
  /** The request's deadline (performance.now()). Absent: the service's own, for each call. */
  untilMs?: number;
  /** The deadline is shorter than the service's own: never shared, so that no reader is bound to another's deadline. */
  isExclusive?: true;
  onAttempt?: (report: CallReport) => void;
  /** The first byte of the read goes out, or went out already. */
  onDispatched?: () => void;
  /** Aborts when the reader hangs up. Asked only where there is a turn to wait for. */
  callerSignal?: () => AbortSignal;
}

export interface ReadCoalescer {
  /** Equal reads of one connection share one call while it is under way; failures are shared as well. Never throws. */
  read(call: Call & { method: 'GET' }, reader: ReadContext): Promise<HttpResult>;
  /** A write of this connection begins or ends. Later reads must see it, so none joins a call that is in flight. */
  invalidate(connection: string | undefined): void;
}

interface CoalescerOptions {
  timeoutMs: number;
  rateLimiter?: RateLimiter;
  /**
   * Other replicas write, too, and this one does not hear of it: then only reads that are not yet on the wire are shared,
   * for they will see whatever was written before.
   */
  replicas: boolean;
}

/** On the wire: the first of its readers makes the call, the others share it. */
interface Flight {
  readers: Set<WaitingReader>;
  answer: Promise<HttpResult>;
}

interface WaitingReader {
  reader: ReadContext;
  sinceMs: number;
}

/** In the queue of the budget: one place for all who ask the same in one name and lane. */
interface QueuedRead {
  readers: Set<WaitingReader>;
  endMs: number;
  abandoned: AbortController;
  answer: Promise<HttpResult>;
  resolve: (answer: HttpResult | Promise<HttpResult>) => void;
}

/** No separate timer where the reader's deadline is within this of the call's own, ms. */
const slackMs = 50;

export function createReadCoalescer(transport: Pick<Transport, 'read'>, options: CoalescerOptions): ReadCoalescer {
  const { timeoutMs, rateLimiter, replicas } = options;
  /** By connection, then by question. */
  const flights = new Map<string, Map<string, Flight>>();
  /** By call, then by queue: each reader keeps its own place, and the first that gets a permit makes the call for all. */
  const queued = new Map<string, Map<string, QueuedRead>>();

  const startFlight = (key: string, call: Call, readers: Set<WaitingReader>, deadlineMs: number): Flight => {
    const [leader] = readers;
    const report = (told: CallReport) => {
      for (const each of readers) each.reader.onAttempt?.(each === leader ? told : asShared(told, each.sinceMs));
    };
    const answer = transport.read({ ...call, hasPermit: true }, deadlineMs, report);
    const flight: Flight = { readers, answer };
    for (const { reader } of readers) reader.onDispatched?.();
    if (replicas) return flight;
    const connection = call.connection ?? '';
    const open = flights.get(connection) ?? new Map<string, Flight>();
    flights.set(connection, open.set(key, flight));
    void answer.then(() => {
      if (open.get(key) === flight) open.delete(key);
      if (open.size === 0 && flights.get(connection) === open) flights.delete(connection);
    });
    return flight;
  };

  /** Waits for the turn of a place; who comes first takes the readers of all the others along. */
  const waitForPermit = async (
    key: string,
    call: Call,
    priority: CallerPriority | undefined,
    places: Map<string, QueuedRead>,
    place: QueuedRead,
  ) => {
    const who = queueKey(priority);
    const { endMs, abandoned: left } = place;
    const untilMs = endMs - reservedForCallMs(timeoutMs);
    const thrown = await rateLimiter
      ?.acquire({ ...permitRequestOf(call.operation, priority), untilMs, signal: left.signal })
      .catch((cause: unknown) => ({ cause }));
    // Its readers have gone, or fly with another.
    if (places.get(who) !== place) return;
    places.delete(who);
    if (thrown) {
      if (places.size === 0) queued.delete(key);
      return place.resolve(notDispatched(thrown.cause));
    }
    queued.delete(key);
    const others = [...places.values()];
    places.clear();
    const readers = new Set([place, ...others].flatMap((each) => [...each.readers]));
    const { answer } = startFlight(key, call, readers, endMs - performance.now());
    place.resolve(answer);
    for (const other of others) {
      other.abandoned.abort();
      other.resolve(withTimeout(other.endMs - performance.now(), answer));
    }
  };

  const enqueue = (key: string, call: Call, reader: ReadContext): Promise<HttpResult> => {
    const who = queueKey(reader.priority);
    const places = queued.get(key) ?? new Map<string, QueuedRead>();
    const place = places.get(who) ?? newQueuedRead(timeoutMs);
    const waiting = { reader, sinceMs: performance.now() };
    place.readers.add(waiting);
    if (places.get(who) === undefined) {
      queued.set(key, places.set(who, place));
      void waitForPermit(key, call, reader.priority, places, place);
    }
    const leave = () => {
      place.readers.delete(waiting);
      if (place.readers.size > 0 || places.get(who) !== place) return;
      places.delete(who);
      if (places.size === 0 && queued.get(key) === places) queued.delete(key);
      place.abandoned.abort();
      place.resolve(notDispatched(new Error('the caller has gone')));
    };
    const signal = reader.callerSignal?.();
    if (signal?.aborted) leave();
    else signal?.addEventListener('abort', leave, { once: true });
    return place.answer;
  };

  const join = (call: Call, reader: ReadContext): Promise<HttpResult> => {
    const { priority, onDispatched } = reader;
    const named: Call = priority ? { ...call, priority } : call;
    const key = `${call.host} ${call.connection ?? ''} ${call.path}${queryString(withChannel(call).query)}`;
    const flight = flights.get(call.connection ?? '')?.get(key);
    if (flight) {
      flight.readers.add({ reader, sinceMs: performance.now() });
      onDispatched?.();
      return flight.answer;
    }
    if (rateLimiter) return enqueue(key, named, reader);
    return startFlight(key, named, new Set([{ reader, sinceMs: performance.now() }]), timeoutMs).answer;
  };

  return {
    read: (call, reader) => {
      const { priority, untilMs, isExclusive, onAttempt, callerSignal } = reader;
      const ms = leftMs(untilMs) ?? timeoutMs;
      if (isExclusive)
        return transport.read(
          { ...call, ...(priority && { priority }), ...(callerSignal && { callerSignal }) },
          ms,
          onAttempt,
        );
      const answer = join(call, reader);
      // Earlier steps of the request have used part of its time.
      return ms < timeoutMs - slackMs ? withTimeout(ms, answer) : answer;
    },
    invalidate: (connection) => void flights.delete(connection ?? ''),
  };
}

function newQueuedRead(timeoutMs: number): QueuedRead {
  const { promise, resolve } = Promise.withResolvers<HttpResult>();
  const endMs = performance.now() + timeoutMs;
  return { readers: new Set(), endMs, abandoned: new AbortController(), answer: promise, resolve };
}

/** The answer, or a time-out for a reader with less time; the call goes on for the others. */
function withTimeout(ms: number, answer: Promise<HttpResult>): Promise<HttpResult> {
  const { promise, resolve } = Promise.withResolvers<HttpResult>();
  const late = setTimeout(
    () => resolve({ kind: 'failed', bytesSent: true, timedOut: true, cause: new Error('the total deadline passed') }),
    Math.max(1, ms),
  );
  void answer.then((told) => {
    clearTimeout(late);
    resolve(told);
  });
  return promise;
}

/** For a reader that joined later, the call lasted as long as the reader waited. */
const asShared = (report: CallReport, sinceMs: number): CallReport => ({
  ...report,
  isShared: true,
  durationMs: Math.min(report.durationMs, performance.now() - sinceMs),
});
