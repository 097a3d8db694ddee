import type { Refusal } from '../../upstream/answers/known-refusals.ts';
import type { Receiver } from '../../upstream/answers/receivers.ts';
import { type AttemptResult, withheld } from '../../upstream/attempt-result.ts';

export type Rejected = AttemptResult & { outcome: 'rejected' };

/** Refusals that a single receiver can cause. A refused template, plan or key concerns all receivers. */
const ofOneReceiver: ReadonlySet<Refusal> = new Set([
  'template-parameters',
  'edge',
  'recipient',
  'opted-out',
  'window-closed',
  'bad-request',
  'other',
]);

/** Whether a single receiver may be the cause. A 400 of the gateway itself concerns the connection, which all receivers share. */
export const concernsOneReceiver = ({ refusal, status, detail }: Rejected): boolean =>
  ofOneReceiver.has(refusal) && !(status === 400 && /\bconnection\b/i.test(detail));

interface BisectionOptions<Item extends Receiver> {
  /** Makes one call for these receivers. Returns a result for each, in order. */
  send: (receivers: readonly Item[]) => Promise<readonly AttemptResult[]>;
  /** Awaited before every call. Rejects when the process ends. */
  acquirePermit: () => Promise<unknown>;
  splitsBatches: boolean;
}

/** If this many single receivers were refused in the same words and none was accepted, the cause may concern all receivers. */
const sameWordsMax = 3;

/**
 * Returns the results of a call unchanged, unless it was refused as a whole for a reason that one receiver may have caused. Then
 * sends to each half, down to single receivers: about 2 log2(n) further calls for one culprit among n. If the reason turns out
 * to be common to all, the results say so in `sharedCause`.
 */
export async function bisectIfRefused<Item extends Receiver>(
  receivers: readonly Item[],
  results: readonly AttemptResult[],
  options: BisectionOptions<Item>,
): Promise<readonly AttemptResult[]> {
  if (receivers.length < 2 || !refusalOfAll(results, options.splitsBatches)) return results;
  return new Search(receivers, options).run();
}

/** A range of receivers, in the order of the call. */
interface Span {
  readonly from: number;
  readonly to: number;
}

/** The search for the culprits of one batch. */
class Search<Item extends Receiver> {
  readonly #receivers: readonly Item[];
  readonly #options: BisectionOptions<Item>;
  readonly #results: (AttemptResult | undefined)[];
  /** Indices of receivers that were refused alone, by the words of the refusal. */
  readonly #alone = new Map<string, number[]>();
  #anyTaken = false;
  #hasProbed = false;
  /** The process ends, or may not send any more. */
  #hasEnded = false;

  constructor(receivers: readonly Item[], options: BisectionOptions<Item>) {
    this.#receivers = receivers;
    this.#options = options;
    this.#results = receivers.map(() => undefined);
  }

  async run(): Promise<readonly AttemptResult[]> {
    await this.#tryHalves({ from: 0, to: this.#receivers.length });
    const shared = this.#sharedRefusal();
    return this.#results.map((result, at) => {
      // The refusal of the call before proves that what was not tried again was not sent.
      if (result === undefined) return this.#hasEnded || !shared ? withheld : shared.notTried;
      if (!shared) return result;
      return shared.refusedAlone.includes(at) ? shared.ofRefusedAlone : result;
    });
  }

  /** If the refusal concerns all: who was refused alone, and the results of these and of those that were not tried. */
  #sharedRefusal():
    | { refusedAlone: readonly number[]; ofRefusedAlone: AttemptResult; notTried: AttemptResult }
    | undefined {
    if (this.#anyTaken || !this.#hasProbed || !this.#results.includes(undefined)) return undefined;
    const [most] = [...this.#alone.values()].toSorted((a, b) => b.length - a.length);
    const last = this.#results[most?.[0] ?? 0];
    if (last?.outcome !== 'rejected') return undefined;
    return {
      refusedAlone: most ?? [],
      ofRefusedAlone: { ...last, sharedCause: 'refused-alone' },
      notTried: { ...last, sharedCause: 'not-tried' },
    };
  }

  async #tryHalves({ from, to }: Span): Promise<void> {
    const middle = from + Math.ceil((to - from) / 2);
    await this.#try({ from, to: middle });
    await this.#try({ from: middle, to });
  }

  /** One call for the range, without those that were tried already. */
  async #try(span: Span): Promise<void> {
    if (await this.#isOver()) return;
    const indices = this.#untried(span);
    if (indices.length === 0) return;
    const results = await this.#send(indices);
    if (!results) return;
    const isRefused = refusalOfAll(results, this.#options.splitsBatches) !== undefined;
    if (isRefused && indices.length > 1) {
      const [first = span.from] = indices;
      return this.#tryHalves({ from: first, to: (indices.at(-1) ?? first) + 1 });
    }
    this.#note(indices, results);
  }

  #untried({ from, to }: Span): number[] {
    return Array.from({ length: to - from }, (_, n) => from + n).filter((at) => this.#results[at] === undefined);
  }

  async #send(indices: readonly number[]): Promise<readonly AttemptResult[] | undefined> {
    try {
      await this.#options.acquirePermit();
    } catch {
      this.#hasEnded = true;
      return undefined;
    }
    const receivers = indices.flatMap((at) => this.#receivers[at] ?? []);
    const results = await this.#options.send(receivers);
    this.#hasEnded ||= results.some(isWithheld);
    return this.#hasEnded ? undefined : results;
  }

  #note(indices: readonly number[], results: readonly AttemptResult[]): void {
    for (const [n, at] of indices.entries()) this.#results[at] = results[n];
    if (results.some(({ outcome }) => outcome === 'accepted')) this.#anyTaken = true;
    const [only] = results;
    const [at] = indices;
    if (indices.length > 1 || only?.outcome !== 'rejected' || at === undefined) return;
    this.#alone.set(only.detail, [...(this.#alone.get(only.detail) ?? []), at]);
  }

  /** Neighbours may share a fault: before giving up, one receiver from the end and one from the middle are tried. */
  async #isOver(): Promise<boolean> {
    const isSuspect = !this.#anyTaken && [...this.#alone.values()].some(({ length }) => length >= sameWordsMax);
    if (this.#hasEnded || !isSuspect) return this.#hasEnded;
    if (this.#hasProbed) return true;
    this.#hasProbed = true;
    const left = this.#untried({ from: 0, to: this.#receivers.length });
    for (const at of new Set([left.at(-1), left[(left.length - 1) >> 1]])) {
      const results = at === undefined ? undefined : await this.#send([at]);
      if (at !== undefined && results) this.#note([at], results);
      if (this.#anyTaken || this.#hasEnded) break;
    }
    return this.#hasEnded || !this.#anyTaken;
  }
}

const isWithheld = (result: AttemptResult): boolean => result.outcome === 'not_sent' && result.withheld === true;

/** A refusal of the whole call is the same object for all of its receivers. */
function refusalOfAll(results: readonly AttemptResult[], splitsBatches: boolean): Rejected | undefined {
  const [first] = results;
  if (first?.outcome !== 'rejected' || results.some((result) => result !== first)) return undefined;
  return concernsOneReceiver(first) && (first.status >= 300 || splitsBatches) ? first : undefined;
}
