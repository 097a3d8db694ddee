import { onChannel } from './channels.ts';
import { askOf, type Pace, type Turn, whoOf } from './pace.ts';
import { callTimeMs, leftMs, notMade, queryString, type Transport } from './transport.ts';
import type { Attempt, AttemptReport, Call } from './types.ts';

/** The request that a read is made for. */
export interface Reader {
  /** Absent: the service reads for itself. */
  turn?: Turn;
  /** The request's deadline (performance.now()). Absent: the service's own, for each call. */
  untilMs?: number;
  /** The deadline is shorter than the service's own: never shared, so that no reader is bound to another's deadline. */
  alone?: true;
  onAttempt?: (report: AttemptReport) => void;
  /** The first byte of the read goes out, or went out already. */
  onTurn?: () => void;
  /** Aborts when the reader hangs up. Asked only where there is a turn to wait for. */
  gone?: () => AbortSignal;
}

export interface Reads {
  /** Equal reads of one connection share one call while it is under way; failures are shared as well. Never throws. */
  read(call: Call & { method: 'GET' }, reader: Reader): Promise<Attempt>;
  /** A write of this connection begins or ends. Later reads must see it, so none joins a call that is in flight. */
  wrote(connection: string | undefined): void;
}

interface ReadsOptions {
  timeoutMs: number;
  pace?: Pace;
  /**
   * Other replicas write, too, and this one does not hear of it: then only reads that are not yet on the wire are shared,
   * for they will see whatever was written before.
   */
  replicas: boolean;
}

/** On the wire: the first of its readers makes the call, the others share it. */
interface Flight {
  readers: Set<Waiting>;
  answer: Promise<Attempt>;
}

interface Waiting {
  reader: Reader;
  sinceMs: number;
}

/** In the queue of the budget: one place for all who ask the same in one name and lane. */
interface Place {
  readers: Set<Waiting>;
  endMs: number;
  left: AbortController;
  answer: Promise<Attempt>;
  resolve: (answer: Attempt | Promise<Attempt>) => void;
}

/** No separate timer where the reader's deadline is within this of the call's own, ms. */
const slackMs = 50;

export function createReads(transport: Pick<Transport, 'read'>, options: ReadsOptions): Reads {
  const { timeoutMs, pace, replicas } = options;
  /** By connection, then by question. */
  const flights = new Map<string, Map<string, Flight>>();
  /** By call, then by queue: each reader keeps its own place, and the first that gets a permit makes the call for all. */
  const queued = new Map<string, Map<string, Place>>();

  const fly = (key: string, call: Call, readers: Set<Waiting>, deadlineMs: number): Flight => {
    const [maker] = readers;
    const report = (told: AttemptReport) => {
      for (const each of readers) each.reader.onAttempt?.(each === maker ? told : asShared(told, each.sinceMs));
    };
    const answer = transport.read({ ...call, hasTurn: true }, deadlineMs, report);
    const flight: Flight = { readers, answer };
    for (const { reader } of readers) reader.onTurn?.();
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
  const stand = async (key: string, call: Call, turn: Turn | undefined, places: Map<string, Place>, place: Place) => {
    const who = whoOf(turn);
    const { endMs, left } = place;
    const untilMs = endMs - callTimeMs(timeoutMs);
    const thrown = await pace
      ?.take({ ...askOf(call.operation, turn), untilMs, signal: left.signal })
      .catch((cause: unknown) => ({ cause }));
    // Its readers have gone, or fly with another.
    if (places.get(who) !== place) return;
    places.delete(who);
    if (thrown) {
      if (places.size === 0) queued.delete(key);
      return place.resolve(notMade(thrown.cause));
    }
    queued.delete(key);
    const others = [...places.values()];
    places.clear();
    const readers = new Set([place, ...others].flatMap((each) => [...each.readers]));
    const { answer } = fly(key, call, readers, endMs - performance.now());
    place.resolve(answer);
    for (const other of others) {
      other.left.abort();
      other.resolve(within(other.endMs - performance.now(), answer));
    }
  };

  const queue = (key: string, call: Call, reader: Reader): Promise<Attempt> => {
    const who = whoOf(reader.turn);
    const places = queued.get(key) ?? new Map<string, Place>();
    const place = places.get(who) ?? newPlace(timeoutMs);
    const waiting = { reader, sinceMs: performance.now() };
    place.readers.add(waiting);
    if (places.get(who) === undefined) {
      queued.set(key, places.set(who, place));
      void stand(key, call, reader.turn, places, place);
    }
    const leave = () => {
      place.readers.delete(waiting);
      if (place.readers.size > 0 || places.get(who) !== place) return;
      places.delete(who);
      if (places.size === 0 && queued.get(key) === places) queued.delete(key);
      place.left.abort();
      place.resolve(notMade(new Error('the caller has gone')));
    };
    const signal = reader.gone?.();
    if (signal?.aborted) leave();
    else signal?.addEventListener('abort', leave, { once: true });
    return place.answer;
  };

  const share = (call: Call, reader: Reader): Promise<Attempt> => {
    const { turn, onTurn } = reader;
    const named: Call = turn ? { ...call, turn } : call;
    const key = `${call.host} ${call.connection ?? ''} ${call.path}${queryString(onChannel(call).query)}`;
    const flight = flights.get(call.connection ?? '')?.get(key);
    if (flight) {
      flight.readers.add({ reader, sinceMs: performance.now() });
      onTurn?.();
      return flight.answer;
    }
    if (pace) return queue(key, named, reader);
    return fly(key, named, new Set([{ reader, sinceMs: performance.now() }]), timeoutMs).answer;
  };

  return {
    read: (call, reader) => {
      const { turn, untilMs, alone, onAttempt, gone } = reader;
      const ms = leftMs(untilMs) ?? timeoutMs;
      if (alone) return transport.read({ ...call, ...(turn && { turn }), ...(gone && { gone }) }, ms, onAttempt);
      const answer = share(call, reader);
      // Earlier steps of the request have used part of its time.
      return ms < timeoutMs - slackMs ? within(ms, answer) : answer;
    },
    wrote: (connection) => void flights.delete(connection ?? ''),
  };
}

function newPlace(timeoutMs: number): Place {
  const { promise, resolve } = Promise.withResolvers<Attempt>();
  const endMs = performance.now() + timeoutMs;
  return { readers: new Set(), endMs, left: new AbortController(), answer: promise, resolve };
}

/** The answer, or a time-out for a reader with less time; the call goes on for the others. */
function within(ms: number, answer: Promise<Attempt>): Promise<Attempt> {
  const { promise, resolve } = Promise.withResolvers<Attempt>();
  const late = setTimeout(
    () => resolve({ kind: 'failed', sent: true, timedOut: true, cause: new Error('the total deadline passed') }),
    Math.max(1, ms),
  );
  void answer.then((told) => {
    clearTimeout(late);
    resolve(told);
  });
  return promise;
}

/** For a reader that joined later, the call lasted as long as the reader waited. */
const asShared = (report: AttemptReport, sinceMs: number): AttemptReport => ({
  ...report,
  shared: true,
  durationMs: Math.min(report.durationMs, performance.now() - sinceMs),
});
