import { Problem } from '../problem.ts';
import type { MessageStore, NewMessage, StoredMessage } from '../store/message-store.ts';
import { keyReused, locationOf, replay } from './idempotency.ts';
import { type Content, contentOf } from './send-content.ts';

/** The content of an earlier message, to be sent again. Throws `message-not-resendable`. */
export function resendable(original: StoredMessage): Content {
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
 * The insert found an earlier message in its way: the one with the same idempotency key, or, of a resend, the original or
 * its earlier resend. Returns the record that answers a repeated request; throws the Problem of any other conflict.
 */
export function replayOrReject(
  store: Pick<MessageStore, 'sameContent'>,
  known: StoredMessage,
  { resendOf, idempotency, fingerprint }: NewMessage,
): ReturnType<typeof replay> {
  // The original was found to have arrived while its resend was prepared.
  if (known.id === resendOf) throw notResendable(known);
  if (known.resendOf !== resendOf) throw keyReused(locationOf(known));
  const isRepeat = idempotency !== undefined && known.idempotency?.key === idempotency.key;
  if (resendOf !== undefined && !isRepeat) throw alreadyResent(known);
  return replay(store, known, fingerprint);
}
