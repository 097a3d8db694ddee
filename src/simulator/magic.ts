import type { Scripted } from './faults.ts';
import { htmlPage } from './pages.ts';

/** The outcome of a magic recipient. The rest of a bulk call is not affected. */
export type SimulatedOutcome = 'window-closed' | 'refused' | 'not-on-whatsapp' | 'opted-out';

const provedLater = '0756';
/** These messages arrive; src/simulator/journeys.ts has their later states. */
const tracked = /^07(0[1-4]|26|4[79]|5[0-7])$/;

/** By the last four digits of the recipient. */
const transport: Readonly<Record<string, Scripted>> = {
  '0101': { fault: 'refuse' },
  // Refused before it is processed, however often: a proof that nothing was sent.
  '0103': { status: 421, body: { message: 'Misdirected request' } },
  '0201': { fault: 'reset-before' },
  '0202': { fault: 'reset-after' },
  '0301': { fault: 'hang' },
  '0302': { fault: 'late' },
  '0500': { status: 500, body: htmlPage('500 Internal Server Error') },
  '0502': { status: 502, body: htmlPage('502 Bad Gateway') },
  '0600': { fault: 'truncate' },
  '0601': { status: 200, body: htmlPage('Welcome') },
  // As 0202, and reported by a webhook (src/simulator/journeys.ts).
  [provedLater]: { fault: 'reset-after' },
};
const outcomes: Readonly<Record<string, SimulatedOutcome>> = {
  '0409': 'window-closed',
  '0422': 'refused',
  '0423': 'not-on-whatsapp',
  '0424': 'opted-out',
};
const onceTooMany = '0429';

/** The last four digits; empty if it is no phone number. */
export function ending(recipient: string): string {
  return /^[1-9][0-9]{6,14}$/.test(recipient) ? recipient.slice(-4) : '';
}

export function simulatedOutcome(recipient: string): SimulatedOutcome | undefined {
  return outcomes[ending(recipient)];
}

/** Whether a send to it ends without an answer that tells the outcome. */
export function isFaulty(digits: string): boolean {
  return transport[digits] !== undefined && digits !== provedLater;
}

/** Every magic number except the refusing ones is a customer with an open window, so that a message to it can arrive. */
export function isMagicCustomer(recipient: string): boolean {
  const digits = ending(recipient);
  return digits === '0000' || digits === onceTooMany || tracked.test(digits) || transport[digits] !== undefined;
}

export interface Magic {
  /** The fault of a request that names these recipients, if any; `0429` only once per recipient. */
  of(recipients: readonly string[]): Scripted | undefined;
  clear(): void;
}

export function createMagic(): Magic {
  const refusedOnce = new Set<string>();
  return {
    of(recipients) {
      for (const recipient of recipients) {
        const digits = ending(recipient);
        if (digits === onceTooMany && !refusedOnce.has(recipient)) {
          refusedOnce.add(recipient);
          return { status: 429, headers: { 'retry-after': '1' }, body: { message: 'Too many requests' } };
        }
        const scripted = transport[digits];
        if (scripted) return scripted;
      }
      return undefined;
    },
    clear() {
      refusedOnce.clear();
    },
  };
}
