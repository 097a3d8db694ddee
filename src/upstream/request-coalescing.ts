import { withTimeout } from '../lib/with-timeout.ts';
import type { RateLimiter } from '../rate-limit/types.ts';
import { queryString } from './call-options.ts';
import { withChannel } from './channel-parameter.ts';
import { type CallerPriority, permitRequestOf, queueKey, remainingMs, reservedForCallMs } from './permits.ts';
import { notDispatched, type Transport } from './transport.ts';
import type { Call, CallReport, HttpResult } from './types.ts';

/** The request that a read is made for. */
export interface ReadContext {
  /** Absent: the service reads for itself. */
  priority?: CallerPriority;
  /** The request's deadline (performance.now()). Absent: the service's own time-out for each call. */
  deadline?: number;
  /** The deadline is shorter than the service's own. The read is not shared, so that no other reader depends on its deadline. */
  isExclusive?: true;
  onAttempt?: (report: CallReport) => void;
  /** The read is dispatched, or was dispatched already for another reader. */
  onDispatched?: () => void;
  /** Aborts when the client disconnects. Used only while the read waits for a permit. */
  callerSignal?: () => AbortSignal;
}

export interface ReadCoalescer {
  /** Equal reads of one connection share one call while it is in flight; failures are shared as well. Never throws. */
  read(call: Call & { method: 'GET' }, reader: ReadContext): Promise<HttpResult>;
  /**
   * Call when a write to this connection begins and when it has ended. Later reads must see the write, so none of them joins a
   * call that is in flight.
   */
  invalidate(connection: string | undefined): void;
}

interface CoalescerOptions {
  timeoutMs: number;
  rateLimiter?: RateLimiter;
  /**
   * Other replicas write as well, which this process does not see. Then only reads that are not yet in flight are shared,
   * because they will see all earlier writes.
   */
  replicas: boolean;
}

/** A call in flight: made for the first reader, shared by the others. */
interface Flight {
  readers: Set<WaitingReader>;
  answer: Promise<HttpResult>;
}

interface WaitingReader {
  reader: ReadContext;
  sinceMs: number;
}

/** A read that waits for a permit: one entry for all equal reads of one caller and lane. */
interface QueuedRead {
  readers: Set<WaitingReader>;
  deadline: number;
  abandoned: AbortController;
  answer: Promise<HttpResult>;
  resolve: (answer: HttpResult | Promise<HttpResult>) => void;
}

interface NewFlight {
  key: string;
  call: Call;
  timeoutMs: number;
}

interface QueuedCall {
  key: string;
  call: Call;
  queue: string;
  /** Queues of all callers and lanes with the same read. */
  queues: Map<string, QueuedRead>;
}

/** If the reader's deadline is within this of the call's own, it gets no separate timer, ms. */
const slackMs = 50;

export function createReadCoalescer(transport: Pick<Transport, 'read'>, options: CoalescerOptions): ReadCoalescer {
  return new SingleFlightReader(transport, options);
}

class SingleFlightReader implements ReadCoalescer {
  readonly #transport: Pick<Transport, 'read'>;
  readonly #options: CoalescerOptions;
  /** By connection, then by read. */
  readonly #flights = new Map<string, Map<string, Flight>>();
  /** By read, then by queue: each reader keeps its own place, and the first queue that gets a permit makes the call for all. */
  readonly #queued = new Map<string, Map<string, QueuedRead>>();

  constructor(transport: Pick<Transport, 'read'>, options: CoalescerOptions) {
    this.#transport = transport;
    this.#options = options;
  }

  read(call: Call & { method: 'GET' }, reader: ReadContext): Promise<HttpResult> {
    const { priority, deadline, isExclusive, onAttempt, callerSignal } = reader;
    const { timeoutMs } = this.#options;
    const ms = remainingMs(deadline) ?? timeoutMs;
    if (isExclusive) {
      const own = { ...call, ...(priority && { priority }), ...(callerSignal && { callerSignal }) };
      return this.#transport.read(own, ms, onAttempt);
    }
    const answer = this.#join(call, reader);
    // Earlier steps of the request have used part of its time.
    return ms < timeoutMs - slackMs ? answerWithin(answer, ms) : answer;
  }

  invalidate(connection: string | undefined): void {
    this.#flights.delete(connection ?? '');
  }

  #join(call: Call, reader: ReadContext): Promise<HttpResult> {
    const { priority, onDispatched } = reader;
    const named: Call = priority ? { ...call, priority } : call;
    const key = `${call.host} ${call.connection ?? ''} ${call.path}${queryString(withChannel(call).query)}`;
    const waiting = { reader, sinceMs: performance.now() };
    const flight = this.#flights.get(call.connection ?? '')?.get(key);
    if (flight) {
      flight.readers.add(waiting);
      onDispatched?.();
      return flight.answer;
    }
    if (this.#options.rateLimiter) return this.#enqueue(key, named, reader);
    return this.#startFlight({ key, call: named, timeoutMs: this.#options.timeoutMs }, new Set([waiting]));
  }

  #startFlight({ key, call, timeoutMs }: NewFlight, readers: Set<WaitingReader>): Promise<HttpResult> {
    const [leader] = readers;
    const report = (made: CallReport) => {
      for (const each of readers) each.reader.onAttempt?.(each === leader ? made : asShared(made, each.sinceMs));
    };
    const answer = this.#transport.read({ ...call, hasPermit: true }, timeoutMs, report);
    for (const { reader } of readers) reader.onDispatched?.();
    if (this.#options.replicas) return answer;
    const flight: Flight = { readers, answer };
    const connection = call.connection ?? '';
    const open = this.#flights.get(connection) ?? new Map<string, Flight>();
    this.#flights.set(connection, open.set(key, flight));
    void answer.then(() => {
      if (open.get(key) === flight) open.delete(key);
      if (open.size === 0 && this.#flights.get(connection) === open) this.#flights.delete(connection);
    });
    return answer;
  }

  #enqueue(key: string, call: Call, reader: ReadContext): Promise<HttpResult> {
    const queue = queueKey(reader.priority);
    const queues = this.#queued.get(key) ?? new Map<string, QueuedRead>();
    const known = queues.get(queue);
    const read = known ?? newQueuedRead(this.#options.timeoutMs);
    const waiting = { reader, sinceMs: performance.now() };
    read.readers.add(waiting);
    if (!known) {
      this.#queued.set(key, queues.set(queue, read));
      void this.#waitForPermit({ key, call, queue, queues }, read);
    }
    const leave = () => {
      read.readers.delete(waiting);
      if (read.readers.size > 0 || queues.get(queue) !== read) return;
      queues.delete(queue);
      if (queues.size === 0 && this.#queued.get(key) === queues) this.#queued.delete(key);
      read.abandoned.abort();
      read.resolve(notDispatched(new Error('the caller has gone')));
    };
    const signal = reader.callerSignal?.();
    if (signal?.aborted) leave();
    else signal?.addEventListener('abort', leave, { once: true });
    return read.answer;
  }

  /** Waits for the permit of one queue. The first permit serves the readers of all queues. */
  async #waitForPermit({ key, call, queue, queues }: QueuedCall, read: QueuedRead): Promise<void> {
    const { deadline, abandoned } = read;
    const { rateLimiter, timeoutMs } = this.#options;
    const permit = { deadline: deadline - reservedForCallMs(timeoutMs), signal: abandoned.signal };
    const thrown = await rateLimiter
      ?.acquire({ ...permitRequestOf(call.operation, priorityOf(call)), ...permit })
      .catch((cause: unknown) => ({ cause }));
    // All readers have left, or another queue's permit has served them.
    if (queues.get(queue) !== read) return;
    queues.delete(queue);
    if (thrown) {
      if (queues.size === 0) this.#queued.delete(key);
      return read.resolve(notDispatched(thrown.cause));
    }
    this.#queued.delete(key);
    const others = [...queues.values()];
    queues.clear();
    const readers = new Set([read, ...others].flatMap((each) => [...each.readers]));
    const answer = this.#startFlight({ key, call, timeoutMs: deadline - performance.now() }, readers);
    read.resolve(answer);
    for (const other of others) {
      other.abandoned.abort();
      other.resolve(answerWithin(answer, other.deadline - performance.now()));
    }
  }
}

const priorityOf = ({ priority }: Call) => (typeof priority === 'object' ? priority : undefined);

function newQueuedRead(timeoutMs: number): QueuedRead {
  const { promise, resolve } = Promise.withResolvers<HttpResult>();
  const deadline = performance.now() + timeoutMs;
  return { readers: new Set(), deadline, abandoned: new AbortController(), answer: promise, resolve };
}

/** The answer, or a time-out for a reader with less time. The call continues for the others. */
const answerWithin = (answer: Promise<HttpResult>, ms: number): Promise<HttpResult> =>
  withTimeout(answer, Math.max(1, ms), (): HttpResult => {
    return { kind: 'failed', bytesSent: true, timedOut: true, cause: new Error('the total deadline passed') };
  });

/** To a reader that joined later, the call lasted as long as that reader waited. */
const asShared = (report: CallReport, sinceMs: number): CallReport => ({
  ...report,
  isShared: true,
  durationMs: Math.min(report.durationMs, performance.now() - sinceMs),
});
