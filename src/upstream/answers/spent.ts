import { isObject, parseJson } from '../lenient.ts';
import { reasonOf } from './reason.ts';
import { type Refusal, refusalIn } from './sentences.ts';

/** What a 429 says that is no matter of pace: to wait for seconds and to ask again mends nothing. */
export interface Spent {
  readonly refusal: Extract<Refusal, 'quota' | 'account'>;
  readonly words: string;
}

/** A quota or a plan that is spent, in the words of a 429; `undefined`: it says nothing of the kind. */
export function spentIn(answer: { status?: number; text?: string; heldKey?: true }): Spent | undefined {
  const { status, text, heldKey } = answer;
  if (status !== 429 || text === undefined || heldKey) return undefined;
  const body = parseJson(text.replace(/^\uFEFF/, ''));
  const words = reasonOf(body, isObject(body) ? '' : text);
  const refusal = refusalIn(words, 'session');
  return refusal === 'quota' || refusal === 'account' ? { refusal, words } : undefined;
}

export const isSpent = (answer: Parameters<typeof spentIn>[0]): boolean => spentIn(answer) !== undefined;
