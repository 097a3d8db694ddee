import { isObject } from '../tolerant-reader.ts';
import { type Refusal, refusalIn } from './known-refusals.ts';
import { reasonOf } from './reason.ts';
import { parseAnswer } from './response-body.ts';

/** A 429 that is not about the rate: retrying after seconds does not help. */
export interface ExhaustedQuota {
  readonly refusal: Extract<Refusal, 'quota' | 'account'>;
  readonly words: string;
}

/** A quota or a plan that is spent, in the words of a 429; `undefined`: it says nothing of the kind. */
export function exhaustedQuotaOf(answer: {
  status?: number;
  text?: string;
  containedKey?: true;
}): ExhaustedQuota | undefined {
  const { status, text, containedKey } = answer;
  if (status !== 429 || text === undefined || containedKey) return undefined;
  const body = parseAnswer(text);
  const words = reasonOf(body, isObject(body) ? '' : text);
  const refusal = refusalIn(words, 'session');
  return refusal === 'quota' || refusal === 'account' ? { refusal, words } : undefined;
}

export const isQuotaExhausted = (answer: Parameters<typeof exhaustedQuotaOf>[0]): boolean =>
  exhaustedQuotaOf(answer) !== undefined;
