import type { DeliveryFacts } from '../store/delivery-facts.ts';
import type { TrackingChange } from '../store/tracking-store.ts';
import type { MatchedMessage } from './batch.ts';
import { type DeliveryStatus, deliveryStatus, joinFacts } from './delivery-state.ts';
import { type FailureKind, failureKind } from './failure-kind.ts';

/** What became of an entry of the intake. */
export const appliedOutcomes = ['moved', 'late', 'learnt', 'foreign', 'failed', 'received', 'ignored'] as const;
export type AppliedOutcome = (typeof appliedOutcomes)[number];

/** A state that a message reached. */
export interface Reached {
  status: DeliveryStatus | 'replied';
  failureKind?: FailureKind;
  /** Time since the message was sent. */
  seconds?: number;
}

export interface Transitions {
  outcomes: AppliedOutcome[];
  reached: Reached[];
}

/** The effect of each event on its message, applied one after another to what was known before. */
export function transitionsOf({ send, events }: MatchedMessage, change: TrackingChange | undefined): Transitions {
  const transitions: Transitions = { outcomes: [], reached: [] };
  // The message was deleted, or never sent: nothing is written.
  if (!change?.after) return { ...transitions, outcomes: events.map(() => 'late') };
  const { whatsappMessageId, sentAt } = send;
  let known: DeliveryFacts = {
    rank: 0,
    source: 'webhook',
    ...(whatsappMessageId !== undefined && { whatsappMessageId }),
    ...change.before,
  };
  const wasResolved = change.resolved !== undefined;
  for (const { facts } of events) {
    const next = joinFacts(known, facts);
    const reached = reachedBy(known, next, sentAt);
    transitions.reached.push(...reached);
    const isFirst = transitions.outcomes.length === 0;
    if (reached.length > 0 || (isFirst && wasResolved)) transitions.outcomes.push('moved');
    else transitions.outcomes.push(learns(known, next) ? 'learnt' : 'late');
    known = next;
  }
  return transitions;
}

function reachedBy(before: DeliveryFacts, after: DeliveryFacts, sentAt: number | undefined): Reached[] {
  const statuses: Reached['status'][] = [];
  const status = deliveryStatus(after.rank);
  if (status !== undefined && after.rank > before.rank) {
    // WhatsApp does not report `delivered` when it reports `read`.
    if (status === 'read' && before.rank < 3) statuses.push('delivered');
    statuses.push(status);
  }
  if (before.repliedAt === undefined && after.repliedAt !== undefined) statuses.push('replied');
  return statuses.map((each) => {
    const at = after[`${each}At`];
    const since = at === undefined || sentAt === undefined ? undefined : Math.max(0, at - sentAt) / 1_000;
    return {
      status: each,
      ...(since !== undefined && { seconds: since }),
      ...(each === 'failed' && { failureKind: failureKind(after.failure?.code ?? '') }),
    };
  });
}

const learns = (before: DeliveryFacts, after: DeliveryFacts): boolean =>
  (before.watiId === undefined && after.watiId !== undefined) ||
  (before.whatsappMessageId === undefined && after.whatsappMessageId !== undefined);
