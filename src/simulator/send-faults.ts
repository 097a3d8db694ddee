import type { Scripted } from './faults.ts';
import { htmlPage } from './pages.ts';

/** Faults that can be set for the next sends, whatever their recipients. */
export const sendFaults = {
  'answer-lost': 'the message is sent, and the answer is lost; no webhook tells of it',
  'answer-late': 'the message is sent, and the answer comes after the deadline; no webhook tells of it',
  'request-lost': 'the connection breaks before anything is sent',
  'too-many-requests': 'a 429, and nothing is sent',
  'server-error': 'a 500 in HTML, and nothing is sent',
} as const;

export type SendFault = keyof typeof sendFaults;

const scripts: Readonly<Record<SendFault, Scripted>> = {
  'answer-lost': { fault: 'reset-after', silent: true },
  'answer-late': { fault: 'late', silent: true },
  'request-lost': { fault: 'reset-before' },
  'too-many-requests': { status: 429, headers: { 'retry-after': '1' }, body: { message: 'Too many requests' } },
  'server-error': { status: 500, body: htmlPage('500 Internal Server Error') },
};

/** Queue of faults for the next calls that send. */
export interface SendFaults {
  readonly waiting: readonly SendFault[];
  set(faults: readonly SendFault[]): void;
  take(): Scripted | undefined;
}

export function createSendFaults(): SendFaults {
  let waiting: readonly SendFault[] = [];
  return {
    get waiting() {
      return waiting;
    },
    set(faults) {
      waiting = [...faults];
    },
    take() {
      const [next, ...rest] = waiting;
      if (next === undefined) return undefined;
      waiting = rest;
      return scripts[next];
    },
  };
}
