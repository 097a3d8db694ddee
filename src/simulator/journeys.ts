import { ending, isFaulty } from './magic.ts';

export type Fact = 'sent' | 'delivered' | 'read' | 'replied' | 'failed';

/** One thing that happens to a message after WATI accepted it. */
export interface Step {
  readonly fact: Fact;
  /** When it happens, ms after the message was accepted. */
  readonly afterMs: number;
  /** When its webhook is due, if not at once. */
  readonly postedMs?: number;
  readonly failure?: Failure;
}

export interface Failure {
  readonly code: string;
  readonly detail: string;
}

export interface Journey {
  readonly steps: readonly Step[];
  /** No webhook reports it; histories show it. */
  readonly silent?: true;
  /** How often each webhook, with its twins, is posted, regardless of the settings. */
  readonly times?: number;
  /** The first webhook is posted and answered before the send is answered. */
  readonly early?: true;
  /** The customer's action at `replied`: taps a button, or writes without a number. */
  readonly reply?: 'tap' | 'bsuid';
}

const stepMs = 500;
const dayMs = 24 * 3_600_000;

const sent: Step = { fact: 'sent', afterMs: 0 };
const delivered: Step = { fact: 'delivered', afterMs: stepMs };
const read: Step = { fact: 'read', afterMs: 2 * stepMs };
const replied: Step = { fact: 'replied', afterMs: 3 * stepMs };
const all = [sent, delivered, read];

const failed = (code: string, detail: string): Step => ({
  fact: 'failed',
  afterMs: stepMs,
  failure: { code, detail },
});
const undeliverable = failed('131026', 'Message undeliverable');
const later = (ms: number) => all.map((step) => ({ ...step, postedMs: step.afterMs + ms }));

const ordinary: Journey = { steps: all };

/** By the last four digits of the recipient. */
const journeys: Readonly<Record<string, Journey>> = {
  '0701': { steps: [sent, delivered] },
  '0702': { steps: [sent] },
  '0703': { steps: [sent, read] },
  '0704': { steps: [...all, replied], reply: 'tap' },
  '0726': { steps: [sent, undeliverable] },
  '0747': { steps: [sent, failed('131047', 'Re-engagement message')] },
  '0749': {
    steps: [sent, failed('131049', 'This message was not delivered to maintain healthy ecosystem engagement.')],
  },
  '0750': { steps: [sent, undeliverable, { fact: 'delivered', afterMs: 2 * stepMs }] },
  '0751': { steps: all, times: 3 },
  '0752': {
    steps: [
      { ...sent, postedMs: 4 * stepMs },
      { ...delivered, postedMs: 3 * stepMs },
      { ...read, postedMs: 2 * stepMs },
    ],
  },
  '0753': { steps: later(dayMs) },
  '0754': { steps: all, silent: true },
  '0755': { steps: all, early: true },
  // Later than the sender's time-out for the lost answer.
  '0756': { steps: later(stepMs) },
  '0757': { steps: [...all, replied], reply: 'bsuid' },
};

/** A message whose send ends in a fault has no webhooks and stays in doubt until it is looked up, as the sandbox's documentation says. */
export function journeyTo(recipient: string): Journey {
  const digits = ending(recipient);
  return journeys[digits] ?? (isFaulty(digits) ? { ...ordinary, silent: true } : ordinary);
}

export const plainJourney = ordinary;
