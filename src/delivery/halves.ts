import type { Refusal } from '../upstream/answers/sentences.ts';
import type { Receiver, Verdict } from '../upstream/verdict.ts';

interface HalvesOptions<Item extends Receiver> {
  /** One call for these; a verdict for each, in order. */
  send: (receivers: readonly Item[]) => Promise<readonly Verdict[]>;
  /** Before every call but the first. Rejects when the process ends. */
  takeTurn: () => Promise<unknown>;
  splitsGroups: boolean;
}

type Rejected = Verdict & { outcome: 'rejected' };

/** What one receiver of many can be the cause of. A refused template, plan or key is nobody's in particular. */
const ofOne: ReadonlySet<Refusal> = new Set([
  'template-parameters',
  'edge',
  'recipient',
  'opted-out',
  'bad-request',
  'other',
]);

/** So many single sends refused in the same words, and none taken: it is about all of them. */
const sameWordsMax = 3;

/** The end of the process came between two calls; the refusal before proves that nothing of these went out. */
const endedBetween: Verdict = {
  outcome: 'not_sent',
  detail: 'the service went down before it could go out',
  heals: true,
};

/**
 * Sends to all in one call; where that is refused as a whole for what one of them may carry, sends to each half, down to the
 * one who is refused alone. Of n receivers with one culprit that is some 2 log2(n) further calls.
 */
export async function sendInHalves<Item extends Receiver>(
  receivers: readonly Item[],
  options: HalvesOptions<Item>,
): Promise<readonly Verdict[]> {
  const search = new Search();
  const sendHalf = async (some: readonly Item[]): Promise<readonly Verdict[]> => {
    const given = search.verdictOnAll();
    if (given) return some.map(() => given);
    try {
      await options.takeTurn();
    } catch {
      return some.map(() => endedBetween);
    }
    return splitIfRefused(some, await options.send(some));
  };
  const splitIfRefused = async (some: readonly Item[], verdicts: readonly Verdict[]): Promise<readonly Verdict[]> => {
    search.note(verdicts);
    const refusal = refusalOfAll(verdicts);
    if (!refusal || some.length < 2 || !maySplit(refusal, options.splitsGroups)) return verdicts;
    const middle = Math.ceil(some.length / 2);
    const first = await sendHalf(some.slice(0, middle));
    return [...first, ...(await sendHalf(some.slice(middle)))];
  };
  return splitIfRefused(receivers, await options.send(receivers));
}

/** What the calls so far have told of all of them. */
class Search {
  readonly #refused = new Map<string, number>();
  #last: Rejected | undefined;
  #anyTaken = false;

  note(verdicts: readonly Verdict[]): void {
    if (verdicts.some(({ outcome }) => outcome === 'accepted')) this.#anyTaken = true;
    const [only, ...others] = verdicts;
    if (only?.outcome !== 'rejected' || others.length > 0) return;
    this.#last = only;
    this.#refused.set(only.detail, (this.#refused.get(only.detail) ?? 0) + 1);
  }

  verdictOnAll(): Verdict | undefined {
    const last = this.#last;
    if (this.#anyTaken || !last || (this.#refused.get(last.detail) ?? 0) < sameWordsMax) return undefined;
    return last;
  }
}

/** One refusal of the whole call is one object for all of its receivers. */
function refusalOfAll(verdicts: readonly Verdict[]): Rejected | undefined {
  const [first] = verdicts;
  return first?.outcome === 'rejected' && verdicts.every((verdict) => verdict === first) ? first : undefined;
}

function maySplit({ refusal, status, detail }: Rejected, splitsGroups: boolean): boolean {
  if (!ofOne.has(refusal)) return false;
  // The gateway's own 400 is about the connection, which all of them share.
  if (status === 400 && /\bconnection\b/i.test(detail)) return false;
  return status >= 300 || splitsGroups;
}
