import type { Receiver, Verdict } from '../../upstream/verdict.ts';
import { isOfOne, type Rejected } from './shared-failure.ts';

interface HalvesOptions<Item extends Receiver> {
  /** One call for these; a verdict for each, in order. */
  send: (receivers: readonly Item[]) => Promise<readonly Verdict[]>;
  /** Before every call but the first. Rejects when the process ends. */
  takeTurn: () => Promise<unknown>;
  splitsGroups: boolean;
}

/** So many single sends refused in the same words, and none taken: it may be about all of them. */
const sameWordsMax = 3;

/** The end of the process came between two calls; the refusal before proves that nothing of these went out. */
const endedBetween: Verdict = {
  outcome: 'not_sent',
  detail: 'the service went down before it could go out',
  heals: true,
};

/**
 * Sends to all in one call; where that is refused as a whole for what one of them may carry, sends to each half, down to the
 * one who is refused alone. Of n receivers with one culprit that is some 2 log2(n) further calls. Those who are refused for
 * what all of them share have a verdict that is `ofAll`.
 */
export async function sendInHalves<Item extends Receiver>(
  receivers: readonly Item[],
  options: HalvesOptions<Item>,
): Promise<readonly Verdict[]> {
  const first = await options.send(receivers);
  if (receivers.length < 2 || !refusalOfAll(first, options.splitsGroups)) return first;
  return new Search(receivers, options).run();
}

/** What is to be tried: neighbours in the order of the call. */
interface Span {
  readonly from: number;
  readonly to: number;
}

/** The search for the culprits of one group. */
class Search<Item extends Receiver> {
  readonly #receivers: readonly Item[];
  readonly #options: HalvesOptions<Item>;
  readonly #verdicts: (Verdict | undefined)[];
  /** Refused alone, by their words. */
  readonly #alone = new Map<string, number[]>();
  #anyTaken = false;
  #hasProbed = false;
  #hasEnded = false;

  constructor(receivers: readonly Item[], options: HalvesOptions<Item>) {
    this.#receivers = receivers;
    this.#options = options;
    this.#verdicts = receivers.map(() => undefined);
  }

  async run(): Promise<readonly Verdict[]> {
    await this.#tryHalves({ from: 0, to: this.#receivers.length });
    const ofAll = this.#ofAll();
    return this.#verdicts.map((verdict, at) => {
      if (this.#hasEnded && verdict === undefined) return endedBetween;
      if (!ofAll) return verdict ?? endedBetween;
      if (verdict === undefined) return ofAll.untried;
      return ofAll.places.includes(at) ? ofAll.alone : verdict;
    });
  }

  /** The verdict on those that were tried alone, and on those that were not tried, where it is settled that it is about all. */
  #ofAll(): { alone: Verdict; untried: Verdict; places: readonly number[] } | undefined {
    if (this.#anyTaken || !this.#hasProbed || !this.#verdicts.includes(undefined)) return undefined;
    const [most] = [...this.#alone.values()].toSorted((a, b) => b.length - a.length);
    const last = this.#verdicts[most?.[0] ?? 0];
    if (last?.outcome !== 'rejected') return undefined;
    return { alone: { ...last, ofAll: 'alone' }, untried: { ...last, ofAll: 'untried' }, places: most ?? [] };
  }

  async #tryHalves({ from, to }: Span): Promise<void> {
    const middle = from + Math.ceil((to - from) / 2);
    await this.#try({ from, to: middle });
    await this.#try({ from: middle, to });
  }

  /** All of them in one call, but for those that were tried already. */
  async #try(span: Span): Promise<void> {
    if (await this.#isOver()) return;
    const places = this.#untried(span);
    if (places.length === 0) return;
    const verdicts = await this.#send(places);
    if (!verdicts) return;
    const isRefused = refusalOfAll(verdicts, this.#options.splitsGroups) !== undefined;
    if (isRefused && places.length > 1) {
      const [first = span.from] = places;
      return this.#tryHalves({ from: first, to: (places.at(-1) ?? first) + 1 });
    }
    this.#note(places, verdicts);
  }

  #untried({ from, to }: Span): number[] {
    return Array.from({ length: to - from }, (_, n) => from + n).filter((at) => this.#verdicts[at] === undefined);
  }

  async #send(places: readonly number[]): Promise<readonly Verdict[] | undefined> {
    try {
      await this.#options.takeTurn();
    } catch {
      this.#hasEnded = true;
      return undefined;
    }
    const receivers = places.flatMap((at) => this.#receivers[at] ?? []);
    return this.#options.send(receivers);
  }

  #note(places: readonly number[], verdicts: readonly Verdict[]): void {
    for (const [n, at] of places.entries()) this.#verdicts[at] = verdicts[n];
    if (verdicts.some(({ outcome }) => outcome === 'accepted')) this.#anyTaken = true;
    const [only] = verdicts;
    const [at] = places;
    if (places.length > 1 || only?.outcome !== 'rejected' || at === undefined) return;
    this.#alone.set(only.detail, [...(this.#alone.get(only.detail) ?? []), at]);
  }

  /** Neighbours may be at fault together: before it is given up, one from the end and one from the middle are tried. */
  async #isOver(): Promise<boolean> {
    const isSuspect = !this.#anyTaken && [...this.#alone.values()].some(({ length }) => length >= sameWordsMax);
    if (this.#hasEnded || !isSuspect) return this.#hasEnded;
    if (this.#hasProbed) return true;
    this.#hasProbed = true;
    const left = this.#untried({ from: 0, to: this.#receivers.length });
    for (const at of new Set([left.at(-1), left[(left.length - 1) >> 1]])) {
      const verdicts = at === undefined ? undefined : await this.#send([at]);
      if (at !== undefined && verdicts) this.#note([at], verdicts);
      if (this.#anyTaken || this.#hasEnded) break;
    }
    return this.#hasEnded || !this.#anyTaken;
  }
}

/** One refusal of the whole call is one object for all of its receivers. */
function refusalOfAll(verdicts: readonly Verdict[], splitsGroups: boolean): Rejected | undefined {
  const [first] = verdicts;
  if (first?.outcome !== 'rejected' || verdicts.some((verdict) => verdict !== first)) return undefined;
  return isOfOne(first) && (first.status >= 300 || splitsGroups) ? first : undefined;
}
