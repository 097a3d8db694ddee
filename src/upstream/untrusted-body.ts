import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { hiddenKey, type KeyFinder } from '../keys/key-finder.ts';
import { type Release, SharedPool } from '../pools/shared-pool.ts';
import { BodyRejectedError } from './body-rejected-error.ts';
import { scanForKeys } from './scan-for-keys.ts';

export type Headers = Readonly<Record<string, string | string[] | undefined>>;

/** Kinds of calls, with different size limits. */
export type BodyClass = 'list' | 'act';

/** The limit for lists. A page of a hundred messages or contacts has about 100 KB. */
const listBytesMax = 4 * 1024 * 1024;
/** The limit for answers to sends. One to a thousand receivers has about 500 KB. */
const sendBytesMax = 1024 * 1024;
/** The limit for error messages. The rest is not read, because the status decides. */
const refusalBytesMax = 16 * 1024;

/** Bytes of each body that are not charged to the pool. */
const freeBytes = 16 * 1024;

/** A body of at least this size is decoded in its own turn of the event loop. */
const largeBytes = 128 * 1024;

/** An answer as text. `containedKey`: it contained a key, which was removed; where that was not possible, the text is empty. */
export interface BodyText {
  text: string;
  headers: Headers;
  containedKey?: true;
}

/** Collects the bytes of one answer. */
export interface BodyCollector {
  /** `enough`: no more bytes are needed. Throws BodyRejectedError. */
  add(chunk: Buffer): 'more' | 'enough';
  /** Drops the collected bytes and returns their share of the pool. */
  drop(): void;
  /** Decodes the bytes. Answers are decoded in order of arrival; large ones each in their own turn of the event loop. */
  text(headers: Headers): BodyText | Promise<BodyText>;
}

interface BodyReaderOptions {
  poolBytes?: number;
  /** Steady milliseconds. */
  clock?: () => number;
  pause?: (ms: number) => Promise<unknown>;
}

interface BodySource {
  operation: string;
  /** The caller whose share of the pool is charged. */
  holder: string;
  bodyClass: BodyClass;
}

/**
 * The only place where bytes from the upstream become text, headers or a stream for a caller. Limits the size of each body by
 * its kind, and of all bodies by pools, and removes the keys of this service.
 */
export class UntrustedBodyReader {
  readonly #finder: KeyFinder;
  /** Decodes UTF-8 without its byte order mark, which JSON.parse does not accept. */
  readonly #decoder = new TextDecoder();
  readonly #onEcho: (operation: string) => void;
  /** Reads and changes have pools of their own, so that reads cannot take the capacity for the answer to a send. */
  readonly #pools: Record<BodyClass, SharedPool>;
  readonly #clock: () => number;
  readonly #pause: (ms: number) => Promise<unknown>;
  readonly #lastLarge: Record<BodyClass, Promise<void>> = { list: Promise.resolve(), act: Promise.resolve() };

  constructor(
    finder: KeyFinder,
    onEcho: (operation: string) => void,
    { poolBytes = 24 * 1024 * 1024, clock = () => performance.now(), pause = sleep }: BodyReaderOptions = {},
  ) {
    this.#finder = finder;
    this.#onEcho = onEcho;
    this.#clock = clock;
    this.#pause = pause;
    this.#pools = {
      list: new SharedPool({ name: 'answers', size: () => poolBytes * 0.75 }),
      // Each batch may have an answer of 500 KB, and all batches are one holder.
      act: new SharedPool({ name: 'send-answers', size: () => poolBytes / 3, share: 0.5, alone: 0.75 }),
    };
  }

  get pools(): readonly SharedPool[] {
    return Object.values(this.#pools);
  }

  /**
   * Whether there is capacity for the answer to a read. If answers in progress have used half of the holder's share, the next
   * answer would probably be aborted after megabytes, at the cost of its TCP connection.
   */
  hasCapacityFor({ bodyClass, holder }: Pick<BodySource, 'bodyClass' | 'holder'>): boolean {
    const pool = this.#pools[bodyClass];
    return bodyClass === 'act' || pool.usedBy(holder) <= pool.limitOf(holder) / 2;
  }

  collect(status: number, origin: BodySource): BodyCollector {
    const isRefusal = status >= 300;
    const max = isRefusal ? refusalBytesMax : origin.bodyClass === 'list' ? listBytesMax : sendBytesMax;
    const chunks: Buffer[] = [];
    const releases: Release[] = [];
    let bytes = 0;
    let paid = freeBytes;
    const drop = () => {
      for (const release of releases.splice(0)) release();
      chunks.length = 0;
    };
    const pay = () => {
      const amount = Math.max(freeBytes, bytes - paid);
      const taken = this.#pools[origin.bodyClass].take(origin.holder, amount);
      if (typeof taken === 'string') throw new BodyRejectedError('ANSWERS_FULL');
      releases.push(taken);
      paid += amount;
    };
    return {
      add: (chunk) => {
        bytes += chunk.length;
        const over = bytes - max;
        if (over > 0 && !isRefusal) throw new BodyRejectedError('ANSWER_TOO_LONG');
        chunks.push(over > 0 ? chunk.subarray(0, chunk.length - over) : chunk);
        if (bytes > paid && !isRefusal) pay();
        return over > 0 ? 'enough' : 'more';
      },
      drop,
      text: (headers) => {
        const whole = () => this.#textOf(chunks.length === 1 ? chunks[0] : Buffer.concat(chunks), headers, origin);
        if (bytes < largeBytes) {
          const text = whole();
          drop();
          return text;
        }
        return this.#oneAtATime(origin.bodyClass, () => {
          const text = whole();
          chunks.length = 0;
          // The consumer parses the text in this turn; the share is returned afterwards.
          setImmediate(drop);
          return text;
        });
      },
    };
  }

  /** The headers without those that contain a key, and whether there was one. */
  withoutKeys(headers: Headers, operation: string): { headers: Headers; containedKey: boolean } {
    // Scans all headers at once, and each one only if something was found. No escape continues after a line break.
    let lines = '';
    for (const name in headers) lines += `${lineOf(name, headers[name])}\n`;
    if (!this.#finder.isIn(lines)) return { headers, containedKey: false };
    const all = Object.entries(headers);
    const kept = all.filter(([name, value]) => value === undefined || !this.#finder.isIn(lineOf(name, value)));
    if (kept.length === all.length) return { headers, containedKey: false };
    this.#onEcho(operation);
    return { headers: Object.fromEntries(kept), containedKey: true };
  }

  /** The body as a stream. It ends with BodyRejectedError before most of a key has been passed on. */
  scanStream(body: Readable, headers: Headers, operation: string): Readable {
    const encoding = String(headers['content-encoding'] ?? '');
    return scanForKeys(body, encoding, { finder: this.#finder, onEcho: () => this.#onEcho(operation) });
  }

  #textOf(bytes: Buffer | undefined, headers: Headers, { operation }: BodySource): BodyText {
    const clean = this.withoutKeys(headers, operation);
    if (bytes === undefined)
      return { text: '', headers: clean.headers, ...(clean.containedKey && { containedKey: true }) };
    const containsKey = this.#finder.isIn(bytes);
    const text = this.#decoder.decode(bytes);
    if (!containsKey) return { text, headers: clean.headers, ...(clean.containedKey && { containedKey: true }) };
    if (!clean.containedKey) this.#onEcho(operation);
    return {
      text: this.#finder.without(text) ?? this.#hideKeysInJson(text),
      headers: clean.headers,
      containedKey: true,
    };
  }

  /** Replaces every JSON string that contains a key. Empty if that is not enough, or the text is no JSON. */
  #hideKeysInJson(text: string): string {
    try {
      const body: unknown = JSON.parse(text, (_name, value: unknown) =>
        typeof value === 'string' && this.#finder.isIn(value) ? hiddenKey : value,
      );
      return this.#finder.without(JSON.stringify(body)) ?? '';
    } catch {
      return '';
    }
  }

  /**
   * Makes texts in order of arrival, each in its own turn of the event loop. After a list, other work gets the event loop for
   * as long as the turn took: a send needs several turns, and would otherwise meet a large answer in each of them.
   */
  #oneAtATime<Value>(bodyClass: BodyClass, make: () => Value): Promise<Value> {
    let begunAt = 0;
    const made = this.#lastLarge[bodyClass].then(nextTurn).then(() => {
      begunAt = this.#clock();
      return make();
    });
    const ended = made.then(nextTurn, nextTurn);
    this.#lastLarge[bodyClass] =
      bodyClass === 'list'
        ? ended.then(() => this.#pause(Math.min(pauseMaxMs, this.#clock() - begunAt))).then(() => {})
        : ended;
    return made;
  }
}

/** The longest such pause. The measured time may be wrong after the clock jumped or the machine slept. */
const pauseMaxMs = 500;

const nextTurn = () => new Promise<void>((resume) => setImmediate(resume));

const lineOf = (name: string, value: string | string[] | undefined): string => `${name} ${String(value ?? '')}`;
