import { Problem } from '../problem.ts';
import type { MessageStore, NewMessage, Schedule, StoredMessage } from '../store/message-store.ts';
import { throwStoreUnreadable } from '../store/store-problems.ts';
import { type Content, contentOf } from './send-content.ts';
import type { Delivery, Requester } from './types.ts';

/*
 * Requests that repeat an earlier one. With the same idempotency key: `findReplay` answers it from the record before anything
 * is checked, and `replayOrReject` if the record was inserted meanwhile. An explicit resend: `findResendable`.
 */

export const locationOf = ({ id }: Pick<StoredMessage, 'id'>): string => `/v1/messages/${id}`;

/** True if its first request was answered before its `sendAt`. */
export const wasScheduled = ({ sendAt, createdAt }: Pick<StoredMessage, 'sendAt' | 'createdAt'>): boolean =>
  sendAt !== undefined && sendAt > createdAt;

const isRunning = ({ status }: StoredMessage): boolean => status === 'queued' || status === 'sending';

export const keyReused = (location: string): Problem =>
  new Problem('idempotency-mismatch', 'this key was used for a request with other content; nothing was sent', {
    headers: { location },
  });

export const keyInProgress = (location: string): Problem =>
  new Problem('idempotency-in-progress', 'the first request with this key is still running; it was not taken again', {
    retryAfterS: 1,
    headers: { location },
  });

/** See `Delivery.findReplay`. */
export async function findReplay(
  store: Pick<MessageStore, 'findByKey' | 'sameContent'>,
  ...[{ caller, route, key, reference, ...asked }, fingerprint, stream]: Parameters<Delivery['findReplay']>
): ReturnType<Delivery['findReplay']> {
  if (key === undefined) return undefined;
  const known = await store.findByKey(caller, route, key).catch(throwStoreUnreadable);
  if (!known) return undefined;
  assertSameReference(known, reference);
  assertSameSchedule(known, asked);
  // The content of a stream is unknown while it runs. For everything else, different content is reported first.
  if (stream && isRunning(known)) throw keyInProgress(locationOf(known));
  if (stream && (known.to !== stream.to || known.template !== stream.template)) throw keyReused(locationOf(known));
  return replay(store, known, await fingerprint());
}

/** Throws if the times differ: the same text at another time is another message. */
function assertSameSchedule(known: StoredMessage, { sendAt, notAfter }: Schedule): void {
  if (known.sendAt !== sendAt || known.notAfter !== notAfter) throw keyReused(locationOf(known));
}

/**
 * Throws if both requests have a reference and they differ: the second message would never be sent, although its caller believes
 * that it was. A repeat without a reference, or the first one with it, is accepted.
 */
function assertSameReference(known: StoredMessage, reference: string | undefined): void {
  if (reference === undefined || known.reference === undefined || reference === known.reference) return;
  throw new Problem(
    'idempotency-mismatch',
    'this key was used for a message with another reference; nothing was sent',
    {
      headers: { location: locationOf(known) },
    },
  );
}

/**
 * Answers a request from the record of an earlier one with the same key: throws `idempotency-mismatch` for other content and
 * `idempotency-in-progress` while the message is not final. A file that never arrived in full has no fingerprint, so only its
 * recipient is compared.
 */
export function replay(
  store: Pick<MessageStore, 'sameContent'>,
  known: StoredMessage,
  fingerprint: string | undefined,
): { stored: StoredMessage; replayed: true } {
  if (fingerprint !== undefined && store.sameContent(known, fingerprint) === false) throw keyReused(locationOf(known));
  if (isRunning(known) && !wasScheduled(known)) throw keyInProgress(locationOf(known));
  return { stored: known, replayed: true };
}

/**
 * The message that is to be sent again, with its content; or the answer to the same request made before. Throws
 * `message-not-resendable`, and `not-found` for a message that is not the caller's.
 */
export async function findResendable(
  store: Pick<MessageStore, 'find' | 'findByKey' | 'sameContent'>,
  { caller, route, key, notAfter }: Requester,
  id: string,
): Promise<ReturnType<typeof replay> | { original: StoredMessage; content: Content }> {
  const earlier = key && (await store.findByKey(caller, route, key).catch(throwStoreUnreadable));
  if (earlier) {
    // All messages share the route pattern, so the key alone does not identify the message that was resent.
    if (earlier.resendOf !== id) throw keyReused(locationOf(earlier));
    if (notAfter !== undefined && notAfter !== earlier.notAfter) throw keyReused(locationOf(earlier));
    return replay(store, earlier, undefined);
  }
  const original = await store.find(caller, id).catch(throwStoreUnreadable);
  if (!original) throw new Problem('not-found', 'you have no message with this id');
  return { original, content: resendable(original) };
}

/** The content of an earlier message that is to be sent again. Throws `message-not-resendable`. */
function resendable(original: StoredMessage): Content {
  if (original.status !== 'unknown' && original.status !== 'not_sent') throw notResendable(original);
  const content = contentOf(original);
  if (content) return content;
  const isStream = original.kind === 'file' || original.kind === 'csv';
  const detail = isStream ? 'the bytes of a file are not kept; upload it again' : 'its content is no longer kept';
  throw new Problem('message-not-resendable', detail);
}

const notResendable = ({ status }: StoredMessage): Problem =>
  new Problem('message-not-resendable', `the message is ${status}; only unknown and not_sent ones can be sent again`);

const alreadyResent = (child: StoredMessage): Problem =>
  new Problem('message-not-resendable', 'it was sent again before; Location names that message', {
    headers: { location: locationOf(child) },
  });

/**
 * Answers a request whose insert conflicted with an existing record: one with the same idempotency key, or, for a resend, the
 * original or its earlier resend. Returns the record if the request is a repeat; throws the Problem of any other conflict.
 */
export function replayOrReject(
  store: Pick<MessageStore, 'sameContent'>,
  known: StoredMessage,
  { resendOf, idempotency, fingerprint, reference, ...asked }: NewMessage,
): ReturnType<typeof replay> {
  // While the resend was prepared, the original turned out to be accepted.
  if (known.id === resendOf) throw notResendable(known);
  if (known.resendOf !== resendOf) throw keyReused(locationOf(known));
  const isRepeat = idempotency !== undefined && known.idempotency?.key === idempotency.key;
  if (resendOf !== undefined && !isRepeat) throw alreadyResent(known);
  assertSameReference(known, reference);
  assertSameSchedule(known, asked);
  return replay(store, known, fingerprint);
}
