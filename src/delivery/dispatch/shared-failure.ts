import type { Hold } from '../../holds/holds.ts';
import type { Refusal } from '../../upstream/answers/sentences.ts';
import type { Verdict } from '../../upstream/verdict.ts';

export type Rejected = Verdict & { outcome: 'rejected' };

/** What one receiver of many can be the cause of. A refused template, plan or key is nobody's in particular. */
const ofOne: ReadonlySet<Refusal> = new Set([
  'template-parameters',
  'edge',
  'recipient',
  'opted-out',
  'window-closed',
  'bad-request',
  'other',
]);

/** Whether one receiver of many may be the cause. The gateway's own 400 is about the connection, which all of them share. */
export const isOfOne = ({ refusal, status, detail }: Rejected): boolean =>
  ofOne.has(refusal) && !(status === 400 && /\bconnection\b/i.test(detail));

/** What of a call goes back to those who wait, by place, and why the whole broadcast waits from now on. */
export interface HeldBack {
  readonly places: ReadonlySet<number>;
  /** Absent: only because the process ends. */
  readonly reason?: string;
}

interface Tries {
  /** Of each, this one included. */
  readonly attempts: readonly number[];
  readonly triesMax: number;
  /** The process ends. */
  readonly isEnding: boolean;
}

/** What a call of a broadcast tells of all its recipients; `undefined`: of each of its own what it is. */
export function heldIn(verdicts: readonly Verdict[], { attempts, triesMax, isEnding }: Tries): HeldBack | undefined {
  const inVain = verdicts.flatMap((verdict, at) =>
    verdict.outcome === 'not_sent' && (!verdict.heals || (attempts[at] ?? 1) >= triesMax) ? [at] : [],
  );
  const fault = faultOfAll(verdicts);
  if (fault) {
    // Refused alone again after a resume, it is its own fault: the others must get past it.
    const isOwn = (at: number) => isAlone(verdicts[at]) && (attempts[at] ?? 1) > 1;
    const places = fault.places.filter((at) => !isOwn(at));
    return { places: new Set([...places, ...inVain]), reason: reasonOfPause(fault.verdict) };
  }
  const last = verdicts[inVain.at(-1) ?? -1];
  if (last?.outcome !== 'not_sent') return undefined;
  const reason = `it could not go out: ${last.detail}. Nothing is lost; resume it once that is mended`;
  return { places: new Set(inVain), ...(!isEnding && { reason }) };
}

const isAlone = (verdict: Verdict | undefined): boolean => verdict?.outcome === 'rejected' && verdict.ofAll === 'alone';

/** So many receivers of one call, one after another up to the last: the credits ran out on the way. */
const inARow = 3;

function faultOfAll(verdicts: readonly Verdict[]): { verdict: Rejected; places: readonly number[] } | undefined {
  const places = verdicts.flatMap((verdict, at) => (isOfAll(verdict) ? [at] : []));
  const last = verdicts[places.at(-1) ?? -1];
  if (last?.outcome !== 'rejected') return undefined;
  // What could not go out says nothing of the others.
  const from = verdicts.findLastIndex((verdict) => !isOfAll(verdict) && verdict.outcome !== 'not_sent') + 1;
  if (from === 0 || verdicts.some((verdict) => 'ofAll' in verdict)) return { verdict: last, places };
  const tail = places.filter((at) => at >= from);
  return tail.length < inARow ? undefined : { verdict: last, places: tail };
}

const isOfAll = (verdict: Verdict): boolean =>
  verdict.outcome === 'rejected' &&
  verdict.refusal !== 'credentials' &&
  (verdict.ofAll !== undefined || !isOfOne(verdict));

/** A probe was answered so often, and the sends after it were refused. */
const probesMax = 3;

/** Why a broadcast waits whose sends are refused for credentials with which reads are answered. */
export function reasonOfCredentials(verdicts: readonly Verdict[], timesShut: number): string | undefined {
  const refused = verdicts.find((verdict) => verdict.outcome === 'rejected' && verdict.refusal === 'credentials');
  return refused?.outcome === 'rejected' && timesShut >= probesMax ? reasonOfPause(refused) : undefined;
}

/** Why all that waits for a connection waits, after this verdict. */
export const holdBy = (verdict: Verdict): Hold =>
  verdict.outcome === 'rejected'
    ? {
        code: 'credentials-refused',
        detail: `the upstream refuses the credentials (${verdict.detail}); it goes on when they are mended`,
      }
    : { code: 'gateway-unreachable', detail: 'the gateway cannot be reached; it goes on when it can' };

function reasonOfPause({ refusal, detail, status, ofAll }: Rejected): string {
  return `${because(refusal, status, ofAll)}: ${detail}. Nothing is lost; resume it once that is mended`;
}

function because(refusal: Refusal, status: number, ofAll: Rejected['ofAll']): string {
  if (ofAll) return 'WATI refused each of those that were tried alone, in the same words';
  if (refusal === 'account') return 'WATI refused: the account, its plan or its credits do not allow it';
  if (refusal === 'quota') return 'WATI refused: the account has spent its quota';
  if (refusal === 'template') return 'WATI refused the template';
  if (refusal === 'credentials') return 'WATI answers reads and refuses sends with these credentials';
  if (refusal === 'route') return 'WATI does not know the call';
  return `the upstream refused all of it with ${status}`;
}
