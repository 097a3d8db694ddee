import type { DeliveryFacts } from '../store/delivery-facts.ts';
import type { TrackingMoved } from '../store/tracking-store.ts';
import type { ToldMessage } from './batch.ts';
import { type DeliveryStatus, deliveryStatus, joinFacts } from './delivery-state.ts';
import { type FailureKind, failureKind } from './failure-kind.ts';

/** Outcome of an entry of the intake. */
export const appliedOutcomes = ['moved', 'late', 'learnt', 'foreign', 'failed', 'received', 'ignored'] as const;
export type AppliedOutcome = (typeof appliedOutcomes)[number];

/** A state that a message reached. */
export interface Reached {
  status: DeliveryStatus | 'replied';
  failureKind?: FailureKind;
  /** Since it was sent. */
  seconds?: number;
}

export interface Moves {
  outcomes: AppliedOutcome[];
  reached: Reached[];
}

/** The effect of each event on a message, applied one after another to what was known before. */
export function movesOf({ send, heard }: ToldMessage, moved: TrackingMoved | undefined): Moves {
  const moves: Moves = { outcomes: [], reached: [] };
  // Gone, or never sent: nothing is written of it.
  if (!moved?.after) return { ...moves, outcomes: heard.map(() => 'late') };
  const { whatsappMessageId, sentAt } = send;
  let known: DeliveryFacts = {
    rank: 0,
    source: 'webhook',
    ...(whatsappMessageId !== undefined && { whatsappMessageId }),
    ...moved.before,
  };
  const wasResolved = moved.resolved !== undefined;
  for (const { facts } of heard) {
    const next = joinFacts(known, facts);
    const reached = reachedBy(known, next, sentAt);
    moves.reached.push(...reached);
    const isFirst = moves.outcomes.length === 0;
    if (reached.length > 0 || (isFirst && wasResolved)) moves.outcomes.push('moved');
    else moves.outcomes.push(learns(known, next) ? 'learnt' : 'late');
    known = next;
  }
  return moves;
}

function reachedBy(before: DeliveryFacts, after: DeliveryFacts, sentAt: number | undefined): Reached[] {
  const statuses: Reached['status'][] = [];
  const status = deliveryStatus(after.rank);
  if (status !== undefined && after.rank > before.rank) {
    // WhatsApp leaves `delivered` out where it says `read`.
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
