import { setImmediate } from 'node:timers/promises';
import type { MessageFilter, StoredMessage } from '../message-store.ts';
import { toShownMessage } from './delivery-row.ts';
import type { Dialect, Engine, Row, Step } from './engine.ts';
import { rangeStep, type SequenceRange, toRange } from './list-bounds.ts';
import {
  chooseWays,
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

/** Entries of indexes that are visited for one page beyond the first step of each caller; the next page continues there. */
const VISITED_MAX = 2_000;

const NEWEST = Number.MAX_SAFE_INTEGER;

/** `before`: the sequence number at which the previous page ended. */
export interface PageQuery {
  limit: number;
  before?: number;
}

interface Database {
  engine: Pick<Engine, 'list'>;
  dialect: Dialect;
}

/**
 * A page of the messages of these callers, newest first; `end` is where the next page starts, if there is one. Visits a bounded
 * number of rows, by short statements, and lets the process do other work in between.
 */
export async function readPage(
  database: Database,
  { callers, filter }: { callers: readonly string[]; filter: MessageFilter },
  { limit, before = NEWEST }: PageQuery,
): Promise<{ messages: StoredMessage[]; end?: number }> {
  const { engine, dialect } = database;
  const plan = planOf(filter);
  const scans = callers.map((caller) => new CallerScan(database, plan, { caller, filter, limit: limit + 1, before }));
  for (const scan of scans) {
    await scan.advance();
    // SQLite reads synchronously.
    await setImmediate();
  }
  for (let steps = VISITED_MAX / dialect.visitsAtOnce; steps > 0; steps -= 1) {
    const behind = furthestBehind(scans);
    if (behind === undefined || known(scans).length > limit) break;
    await behind.advance();
    await setImmediate();
  }
  const found = known(scans);
  const shown = found.slice(0, limit);
  const rows = shown.length === 0 ? [] : await engine.list(messagesStep(dialect, shown));
  const end = found.length > limit ? shown.at(-1) : furthestBehind(scans)?.floor;
  return { messages: rows.map(toShownMessage), ...(end !== undefined && { end }) };
}

/** The scan that has read least far, and is not at its end. */
function furthestBehind(scans: readonly CallerScan[]): CallerScan | undefined {
  const [first] = scans.toSorted((a, b) => b.floor - a.floor);
  return first === undefined || first.floor === 0 ? undefined : first;
}

/** The numbers down to which every scan has read. */
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
  /** It has read down to this number, and has all that matches; 0 at its end. */
  floor: number;
  readonly #database: Database;
  readonly #plan: ListPlan;
  readonly #ask: Omit<ListQuery, 'from'>;
  #range: SequenceRange | undefined;

  constructor(database: Database, plan: ListPlan, ask: Omit<ListQuery, 'from'>) {
    this.#database = database;
    this.#plan = plan;
    this.#ask = ask;
    this.floor = ask.before;
  }

  async advance(): Promise<void> {
    const { dialect } = this.#database;
    const { id, idempotencyKey, since, until } = this.#ask.filter;
    if (id !== undefined || idempotencyKey !== undefined) return this.#take(exactStep(dialect, this.#query()), 0);
    if (!needsBounds(this.#plan)) return this.#read({ ...onlyWays(this.#plan), floor: 0 });
    let ways = await this.#choose();
    // Only of a long list it is worth to look where its time begins and ends.
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
    return { ...ask, limit: limit - this.sequences.length, before: Math.min(this.floor, before), from };
  }
}

type Reach = ReturnType<typeof chooseWays>;

const NOTHING: SequenceRange = { from: 0, before: 0 };
