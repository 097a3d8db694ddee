import { randomBytes } from 'node:crypto';
import type { KnownBroadcast } from '../broadcasts/types.ts';
import { completionOf, storedOutcome } from '../delivery/outcome.ts';
import { toBroadcast } from '../messages/broadcast-view.ts';
import { toMessage } from '../messages/message-view.ts';
import type { NewEvent, PendingFact } from '../store/event-store.ts';
import type { MessageStatus, StoredMessage } from '../store/message-store.ts';
import { fittingJson } from './fitting-json.ts';

/** An event is at most 20 KB; its envelope is a few hundred bytes. */
const dataBytesMax = 19 * 1024;

export type RenderedEvent = NewEvent & { factSeq: number };

/** Builds the event of a fact. Throws if its message or broadcast is gone, or its record cannot be interpreted. */
export function renderFact(fact: PendingFact, broadcast: KnownBroadcast | undefined): RenderedEvent {
  const { seq, caller, connectionId, type, at, contact } = fact;
  return {
    factSeq: seq,
    // Random, so that ids show no order; without a dot, because dots separate the parts of a signed text.
    id: `evt_${randomBytes(16).toString('base64url')}`,
    caller,
    connectionId,
    type,
    fact: fact.fact,
    at,
    ...(contact !== undefined && { contact }),
    data: fittingJson({ ...subjectOf(fact, broadcast), ...detailOf(fact) }, dataBytesMax),
  };
}

/**
 * The message as `GET /v1/messages/{id}` returns it, and broadcasts likewise; other types consist of their details
 * alone.
 */
function subjectOf(fact: PendingFact, broadcast: KnownBroadcast | undefined) {
  if (fact.type === 'broadcast.finished') {
    if (!broadcast) throw new Error('the broadcast is gone');
    return { broadcast: toBroadcast(broadcast) };
  }
  if (!fact.type.startsWith('message.') || fact.type === 'message.received') return {};
  if (!fact.message) throw new Error('the message is gone');
  const message = asFound(fact.message, fact);
  return { message: toMessage(message), ...changeOf(fact, message) };
}

function changeOf({ type, change }: PendingFact, message: StoredMessage) {
  if (!change) return {};
  const { from, to, implied } = change;
  const isResolved = type === 'message.resolved';
  return {
    change: {
      ...(from !== undefined && { from }),
      to,
      source: isResolved ? resolvedBy(message) : (message.delivery?.source ?? 'webhook'),
      ...(implied && { implied }),
    },
    // The earlier outcome was a definite one.
    ...(isResolved && from !== undefined && from !== 'unknown' && { contradicts: from }),
  };
}

/** How the outcome was learnt: from a late response of WATI, a webhook, a poll, or a search for this message. */
function resolvedBy(message: StoredMessage): string {
  const outcome = storedOutcome(message);
  if (outcome?.outcome !== 'accepted' || outcome.evidence === 'answer') return 'answer';
  return message.delivery?.source ?? 'reconcile';
}

/** The message with its outcome at the time of the fact; other events contain what came later. */
function asFound(message: StoredMessage, { outcome, at }: PendingFact): StoredMessage {
  if (!outcome || outcome.status === message.status) return message;
  const { outcome: _, failure: _f, delivery: _d, ...rest } = message;
  const found: StoredMessage = {
    ...rest,
    status: statusOf(outcome.status),
    ...(outcome.verdict !== undefined && { outcome: outcome.verdict }),
    updatedAt: new Date(at).toISOString(),
  };
  const known = storedOutcome(found);
  const failure = known && completionOf(known).failure;
  return { ...found, ...(failure && { failure }) };
}

const statuses: readonly MessageStatus[] = [
  ...(['queued', 'sending', 'accepted', 'rejected', 'not_sent', 'unknown', 'cancelled'] as const),
];

function statusOf(word: string): MessageStatus {
  const status = statuses.find((each) => each === word);
  if (status === undefined) throw new Error(`${word} is no status of a message`);
  return status;
}

function detailOf({ detail }: PendingFact) {
  if (detail === undefined || detail === null) return {};
  if (typeof detail !== 'object' || Array.isArray(detail)) throw new Error('the detail of a fact is no object');
  return detail;
}
