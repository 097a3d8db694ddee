import { Problem } from '../problem.ts';
import type { StoredSend } from '../store/port.ts';
import { locationOf } from './idempotency.ts';
import { type Content, contentOf } from './send-content.ts';

/** What an earlier send carried, to be sent again. Throws `message-not-resendable`. */
export function resendable(original: StoredSend): Content {
  if (original.status !== 'unknown' && original.status !== 'not_sent') throw notResendable(original);
  const content = contentOf(original);
  if (content) return content;
  const isStream = original.kind === 'file' || original.kind === 'csv';
  const detail = isStream ? 'the bytes of a file are not kept; upload it again' : 'its content is no longer kept';
  throw new Problem('message-not-resendable', detail);
}

export const notResendable = ({ status }: StoredSend): Problem =>
  new Problem('message-not-resendable', `the message is ${status}; only unknown and not_sent ones can be sent again`);

export const resentBefore = (child: StoredSend): Problem =>
  new Problem('message-not-resendable', 'it was sent again before; Location names that message', {
    headers: { location: locationOf(child) },
  });
