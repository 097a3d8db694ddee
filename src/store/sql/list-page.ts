import { setImmediate } from 'node:timers/promises';
import type { MessageFilter, StoredMessage } from '../message-store.ts';
import { toShownMessage } from './delivery-row.ts';
import type { Dialect, Engine, Row, Step } from './engine.ts';
import { rangeStep, type SequenceRange, toRange } from './list-bounds.ts';
import {
  chooseWays,
  exactFilter,
  exactStep,
  type ListQuery,
  messagesStep,
  needsBounds,
  onlyWays,
  reachStep,
  sequenceIn,
  sequencesStep,
} from './list-query.ts';
import { type ListPlan, planOf } from './list-ways.ts';

/**
 * Limits of one page beyond the first step of each caller: index entries, and time, because rows that are not cached take long.
 * The next page continues there.
 */
const VISITED_MAX = 2_000;
const SPENT_MAX_MS = 25;

/** A step that took less than FAST_MS is followed by a longer one; one that took more than SLOW_MS, by a shorter one. */
const FAST_MS = 2;
const SLOW_MS = 5;

const NEWEST = Number.MAX_SAFE_INTEGER;

/** `before`: the sequence number at which the previous page ended. */
export interface PageQuery {
  limit: number;
  before?: number;
  withContent?: true;
}

interface Database {
  engine: Pick<Engine, 'list'>;
  dialect: Dialect;
  /** Monotonic milliseconds. */
  clock?: () => number;
}

/**
 * Reads a page of the messages of these callers, newest first; `end` is where the next page starts, if there is one. Visits a
 * bounded number of rows in short statements, and yields to other work in between.
 */
export async function readPage(
  database: Database,
  { callers, filter }: { callers: readonly string[]; filter: MessageFilter },
  { limit, before = NEWEST, withContent }: PageQuery,
): Promise<{ messages: StoredMessage[]; end?: number }> {
  const { engine, dialect } = database;
  const plan = planOf(filter);
  const pace = new Pace(database, limit);
  const ask = { filter, limit: limit + 1, before };
  const scans = callers.map((caller) => new CallerScan(database, plan, { ...ask, caller }));
  for (const scan of scans) await pace.step(scan);
  pace.begin();
  for (;;) {
    const behind = furthestBehind(scans);
    if (behind === undefined || known(scans).length > limit || pace.isSpent()) break;
    await pace.step(behind);
  }
  const found = known(scans);
  const shown = found.slice(0, limit);
  const rows = shown.length === 0 ? [] : await engine.list(messagesStep(dialect, shown, withContent));
  const end = found.length > limit ? shown.at(-1) : furthestBehind(scans)?.floor;
  return { messages: rows.map(toShownMessage), ...(end !== undefined && { end }) };
}

/** Decides the length of each step of a page, and when the page ends. */
class Pace {
  readonly #dialect: Dialect;
  readonly #clock: () => number;
  readonly #beganAt: number;
  #visits: number;
  #left = VISITED_MAX;

  constructor({ dialect, clock = () => performance.now() }: Database, limit: number) {
    this.#dialect = dialect;
    this.#clock = clock;
    this.#beganAt = clock();
    // Long enough that a page which is easy to fill takes one step.
    this.#visits = Math.max(dialect.visits.first, Math.min(limit + 1, dialect.visits.most));
  }

  begin(): void {
    this.#left = VISITED_MAX;
  }

  isSpent(): boolean {
    return this.#left <= 0 || this.#clock() - this.#beganAt > SPENT_MAX_MS;
  }

  async step(scan: CallerScan): Promise<void> {
    const { least, most } = this.#dialect.visits;
    const began = this.#clock();
    await scan.advance(this.#visits);
    const tookMs = this.#clock() - began;
    this.#left -= this.#visits;
    if (tookMs > SLOW_MS) this.#visits = Math.max(least, Math.floor(this.#visits / 2));
    else if (tookMs < FAST_MS) this.#visits = Math.min(most, this.#visits * 2);
    // SQLite reads synchronously.
    await setImmediate();
  }
}

/** Returns the unfinished scan that has read least far. */
function furthestBehind(scans: readonly CallerScan[]): CallerScan | undefined {
  const [first] = scans.toSorted((a, b) => b.floor - a.floor);
  return first === undefined || first.floor === 0 ? undefined : first;
}

/** Returns the numbers down to which every scan has read. */
function known(scans: readonly CallerScan[]): number[] {
  const floor = furthestBehind(scans)?.floor ?? 0;
  return scans
    .flatMap(({ sequences }) => sequences)
    .filter((seq) => seq >= floor)
    .sort((a, b) => b - a);
}

/** Reads the sequence numbers of one caller's messages, step by step from the newest. */
class CallerScan {
  readonly sequences: number[] = [];
  /** All matching rows down to this number have been read; 0 at the end. */
  floor: number;
  readonly #database: Database;
  readonly #plan: ListPlan;
  readonly #ask: Omit<ListQuery, 'from' | 'visits'>;
  #range: SequenceRange | undefined;
  #visits = 0;

  constructor(database: Database, plan: ListPlan, ask: Omit<ListQuery, 'from' | 'visits'>) {
    this.#database = database;
    this.#plan = plan;
    this.#ask = ask;
    this.floor = ask.before;
  }

  async advance(visits: number): Promise<void> {
    this.#visits = visits;
    const { dialect } = this.#database;
    const { since, until } = this.#ask.filter;
    if (exactFilter(this.#ask.filter) !== undefined) return this.#take(exactStep(dialect, this.#query()), 0);
    if (!needsBounds(this.#plan)) return this.#read({ ...onlyWays(this.#plan), floor: 0 });
    let ways = await this.#choose();
    // Finding the range of a period is worth its cost only for a long list.
    const isByTime = since !== undefined || until !== undefined;
    if (isByTime && this.#range === undefined && ways.floor > 0) {
      this.#range = toRange(await this.#list(rangeStep(this.#query())), this.#ask.filter) ?? NOTHING;
      ways = await this.#choose();
    }
    await this.#read(ways);
  }

  async #choose(): Promise<Reach> {
    return chooseWays(this.#plan, await this.#list(reachStep(this.#database.dialect, this.#plan, this.#query())));
  }

  #read({ floor, ...ways }: Reach): Promise<void> {
    const query = this.#query();
    const from = Math.max(query.from, floor);
    return this.#take(sequencesStep(this.#database.dialect, ways, { ...query, from }), floor > query.from ? floor : 0);
  }

  async #take(step: Step, floor: number): Promise<void> {
    const { limit } = this.#query();
    const found = (await this.#list(step)).map(sequenceIn);
    this.sequences.push(...found);
    const last = found.at(-1);
    this.floor = last !== undefined && found.length >= limit ? last : floor;
  }

  #list(step: Step): Promise<Row[]> {
    return this.#database.engine.list(step);
  }

  #query(): ListQuery {
    const { limit, ...ask } = this.#ask;
    const { from = 0, before = NEWEST } = this.#range ?? {};
    return {
      ...ask,
      limit: limit - this.sequences.length,
      before: Math.min(this.floor, before),
      from,
      visits: this.#visits,
    };
  }
}

type Reach = ReturnType<typeof chooseWays>;

const NOTHING: SequenceRange = { from: 0, before: 0 };
