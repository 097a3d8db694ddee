import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { hiddenKey, type KeyFinder } from '../keys/key-finder.ts';
import { type Release, SharedPool } from '../pools/shared-pool.ts';
import { AnswerRefused } from './answer-refused.ts';
import { scanned } from './body-scan.ts';

export type Headers = Readonly<Record<string, string | string[] | undefined>>;

/** What an answer may weigh, by what it is an answer to. */
export type AnswerClass = 'list' | 'act';

/** A page of history or contacts; a page of a hundred has some 100 KB. */
const listMax = 4 * 1024 * 1024;
/** A thousand receivers in one call are answered with some 500 KB. */
const actMax = 1024 * 1024;
/** The words of a refusal. More is not read: the status says what counts. */
const refusalMax = 16 * 1024;

/** Of each answer, so much is taken without asking the pool. */
const free = 16 * 1024;

/** From there on an answer is turned into text in a turn of the event loop that it has for itself. */
const large = 128 * 1024;

/** An answer as text. `heldKey`: a key stood in it; what could not be cut out is gone. */
export interface Text {
  text: string;
  headers: Headers;
  heldKey?: true;
}

/** The bytes of one answer on their way in. */
export interface Gathering {
  /** `enough`: what is there is all that is wanted. Throws AnswerRefused. */
  add(chunk: Buffer): 'more' | 'enough';
  /** Nothing of it is needed any more. */
  drop(): void;
  /** In order, large ones one to a turn of the event loop. */
  text(headers: Headers): Text | Promise<Text>;
}

interface IntakeOptions {
  poolBytes?: number;
  /** Steady milliseconds. */
  clock?: () => number;
  pause?: (ms: number) => Promise<unknown>;
}

interface Origin {
  operation: string;
  /** Whose bytes they are. */
  holder: string;
  answers: AnswerClass;
}

/**
 * The one place where bytes of the upstream become text, headers, or a stream for a caller: bounded by what they are, together by
 * pools, and with the keys of this service taken out.
 */
export class Intake {
  readonly #finder: KeyFinder;
  readonly #onEcho: (operation: string) => void;
  /** Reads and acts have pools of their own, so that no read costs the answer to a send. */
  readonly #pools: Record<AnswerClass, SharedPool>;
  readonly #clock: () => number;
  readonly #pause: (ms: number) => Promise<unknown>;
  readonly #lastLarge: Record<AnswerClass, Promise<void>> = { list: Promise.resolve(), act: Promise.resolve() };

  constructor(
    finder: KeyFinder,
    onEcho: (operation: string) => void,
    { poolBytes = 32 * 1024 * 1024, clock = () => performance.now(), pause = sleep }: IntakeOptions = {},
  ) {
    this.#finder = finder;
    this.#onEcho = onEcho;
    this.#clock = clock;
    this.#pause = pause;
    this.#pools = {
      list: new SharedPool({ name: 'answers', size: () => poolBytes * 0.75 }),
      act: new SharedPool({ name: 'send-answers', size: () => poolBytes * 0.25 }),
    };
  }

  get pools(): readonly SharedPool[] {
    return Object.values(this.#pools);
  }

  /**
   * Whether a read is worth its call: with half of what its holder may have taken by answers on their way, the next one would
   * most likely be broken off, with its connection, after megabytes.
   */
  hasRoomFor({ answers, holder }: Pick<Origin, 'answers' | 'holder'>): boolean {
    const pool = this.#pools[answers];
    return answers === 'act' || pool.usedBy(holder) <= pool.limitOf(holder) / 2;
  }

  gather(status: number, origin: Origin): Gathering {
    const isRefusal = status >= 300;
    const max = isRefusal ? refusalMax : origin.answers === 'list' ? listMax : actMax;
    const chunks: Buffer[] = [];
    const releases: Release[] = [];
    let bytes = 0;
    let paid = free;
    const drop = () => {
      for (const release of releases.splice(0)) release();
      chunks.length = 0;
    };
    const pay = () => {
      const amount = Math.max(free, bytes - paid);
      const taken = this.#pools[origin.answers].take(origin.holder, amount);
      if (typeof taken === 'string') throw new AnswerRefused('ANSWERS_FULL');
      releases.push(taken);
      paid += amount;
    };
    return {
      add: (chunk) => {
        bytes += chunk.length;
        const over = bytes - max;
        if (over > 0 && !isRefusal) throw new AnswerRefused('ANSWER_TOO_LONG');
        chunks.push(over > 0 ? chunk.subarray(0, chunk.length - over) : chunk);
        if (bytes > paid && !isRefusal) pay();
        return over > 0 ? 'enough' : 'more';
      },
      drop,
      text: (headers) => {
        const whole = () => this.#textOf(chunks.length === 1 ? chunks[0] : Buffer.concat(chunks), headers, origin);
        if (bytes < large) {
          const text = whole();
          drop();
          return text;
        }
        return this.#inTurn(origin.answers, () => {
          const text = whole();
          chunks.length = 0;
          // Parsed in this turn by who waits for it; only then there is room for others.
          setImmediate(drop);
          return text;
        });
      },
    };
  }

  /** The headers without a key in them, and whether there was one. */
  headers(headers: Headers, operation: string): { headers: Headers; heldKey: boolean } {
    let heldKey = false;
    const kept = Object.entries(headers).filter(([name, value]) => {
      const isFine = value === undefined || !this.#finder.isIn(`${name} ${String(value)}`);
      heldKey ||= !isFine;
      return isFine;
    });
    if (heldKey) this.#onEcho(operation);
    return { headers: heldKey ? Object.fromEntries(kept) : headers, heldKey };
  }

  /** The body as it flows; it breaks off with AnswerRefused before the most of a key that stands in it. */
  stream(body: Readable, headers: Headers, operation: string): Readable {
    const encoding = String(headers['content-encoding'] ?? '');
    return scanned(body, encoding, this.#finder, () => this.#onEcho(operation));
  }

  #textOf(bytes: Buffer | undefined, headers: Headers, { operation }: Origin): Text {
    const clean = this.headers(headers, operation);
    if (bytes === undefined) return { text: '', headers: clean.headers, ...(clean.heldKey && { heldKey: true }) };
    const text = toText(bytes);
    if (!this.#finder.isIn(bytes)) return { text, headers: clean.headers, ...(clean.heldKey && { heldKey: true }) };
    if (!clean.heldKey) this.#onEcho(operation);
    return { text: this.#finder.without(text) ?? this.#withoutStrings(text), headers: clean.headers, heldKey: true };
  }

  /** JSON with every text that holds a key replaced; nothing where that is not enough, or it is no JSON. */
  #withoutStrings(text: string): string {
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
   * In the order in which they came, each in a turn of the event loop of its own. After a list the loop belongs to others for as
   * long as the turn took: a send needs several turns, and would otherwise meet a large answer in each of them.
   */
  #inTurn<Value>(answers: AnswerClass, make: () => Value): Promise<Value> {
    let begunAt = 0;
    const made = this.#lastLarge[answers].then(nextTurn).then(() => {
      begunAt = this.#clock();
      return make();
    });
    const ended = made.then(nextTurn, nextTurn);
    this.#lastLarge[answers] =
      answers === 'list'
        ? ended.then(() => this.#pause(Math.min(pauseMaxMs, this.#clock() - begunAt))).then(() => {})
        : ended;
    return made;
  }
}

/** From a clock that jumps, or a machine that slept, no reader is to wait for long. */
const pauseMaxMs = 500;

const nextTurn = () => new Promise<void>((resume) => setImmediate(resume));

/** UTF-8 without its byte order mark, which JSON.parse takes for a fault. */
const toText = (bytes: Buffer): string => new TextDecoder().decode(bytes);
