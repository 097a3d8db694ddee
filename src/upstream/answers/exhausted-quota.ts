import { isObject } from '../tolerant-reader.ts';
import { type Refusal, refusalIn } from './known-refusals.ts';
import { reasonOf } from './reason.ts';
import { parseAnswer } from './response-body.ts';

/** A 429 for an exhausted quota. Unlike for a rate limit, a retry after some seconds does not help. */
export interface ExhaustedQuota {
  readonly refusal: Extract<Refusal, 'quota' | 'account'>;
  readonly words: string;
}

/** Finds the exhausted quota or plan that a 429 reports; `undefined`: the 429 is about the rate. */
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
