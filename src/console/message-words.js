import { clock } from './words.js';

/** @import { OperatorMessage } from './shapes.d.ts' */
/** @import { Tone } from './ui.js' */

/** @type {Record<string, { tone: Tone, words: string }>} */
const statuses = {
  scheduled: { tone: 'idle', words: 'Scheduled' },
  queued: { tone: 'idle', words: 'Queued' },
  sending: { tone: 'info', words: 'On the wire' },
  accepted: { tone: 'info', words: 'Accepted' },
  rejected: { tone: 'bad', words: 'Rejected' },
  not_sent: { tone: 'warn', words: 'Not sent' },
  unknown: { tone: 'doubt', words: 'Unknown' },
  cancelled: { tone: 'idle', words: 'Cancelled' },
};

/** @type {Record<string, { tone: Tone, words: string }>} */
const deliveries = {
  sent: { tone: 'info', words: 'Sent' },
  delivered: { tone: 'ok', words: 'Delivered' },
  read: { tone: 'ok', words: 'Read' },
  failed: { tone: 'bad', words: 'Not delivered' },
};

/** Why a message did not arrive, by kind. @type {Record<string, string>} */
const failures = {
  recipient: 'the number is not on WhatsApp, or cannot be reached',
  window: 'the 24 hours after the last message of the customer were over',
  'held-back': 'Meta limits marketing messages to this person; the same may arrive later',
  'opted-out': 'the customer has opted out',
  template: 'something is wrong with the template',
  account: 'something is wrong with the account of the company: an operator has to look',
  rate: 'too many messages in too short a time',
  media: 'the file could not be fetched or shown',
};

/** Returns the furthest state of a message, in one word. @param {OperatorMessage} message */
export const standingOf = ({ status, delivery, sendAt }) =>
  (delivery && deliveries[delivery.status]) ??
  statuses[status === 'queued' && sendAt !== undefined && Date.parse(sendAt) > Date.now() ? 'scheduled' : status] ?? {
    tone: /** @type {Tone} */ ('idle'),
    words: status,
  };

/** @param {string | undefined} at */
const when = (at) => (at === undefined ? '' : ` (${clock(at)})`);

/** @param {NonNullable<OperatorMessage['delivery']>} delivery */
function deliveryAnswer({ status, sentAt, deliveredAt, readAt, repliedAt, failedAt, failure }) {
  const replied = repliedAt === undefined ? '' : ` The customer answered${when(repliedAt)}.`;
  if (status === 'read') return `Yes: it arrived and was read${when(readAt)}.${replied}`;
  if (status === 'delivered')
    return `Yes: it is on the phone${when(deliveredAt)}. Not read, as far as WATI has told.${replied}`;
  if (status === 'sent') return `It was sent to the phone${when(sentAt)}, and is not known to have arrived.${replied}`;
  const why = failure && (failures[failure.kind] ?? failure.detail);
  return `No: WATI took it, and it did not arrive${when(failedAt)}${why ? `: ${why}` : ''}.`;
}

/**
 * Answers "Did it get there?" in a sentence.
 * @param {OperatorMessage} message
 */
export function answerOf({ status, delivery, failure, hold, sendAt, updatedAt }) {
  if (delivery) return deliveryAnswer(delivery);
  const why = failure ? `: ${failure.detail.replace(/\.$/, '')}` : '';
  if (status === 'accepted') return `WATI took it${when(updatedAt)}. Whether it arrived is not known yet.`;
  if (status === 'rejected') return `No: it was refused${why}.`;
  if (status === 'not_sent') return `No: it was certainly not sent${why}.`;
  if (status === 'unknown')
    return 'Not known: it may or may not have been sent. The service looks for it, and never sends it again by itself.';
  if (status === 'cancelled') return `No: it was cancelled before it went out${when(updatedAt)}.`;
  if (status === 'sending') return 'Not yet: it is on the wire.';
  if (sendAt !== undefined && Date.parse(sendAt) > Date.now()) return `Not yet: it is due${when(sendAt)}.`;
  return hold ? `Not yet: it waits, because ${hold.detail.replace(/\.$/, '')}.` : 'Not yet: it waits for its turn.';
}

/** @type {Record<string, string>} */
export const kindWords = {
  text: 'Text',
  template: 'Template',
  file: 'File',
  'file-link': 'File by link',
  csv: 'CSV',
  buttons: 'Buttons',
  list: 'List',
};

/** Returns whether a resend has to name a new `notAfter`. @param {string | undefined} notAfter */
export const isLate = (notAfter) => notAfter !== undefined && Date.parse(notAfter) <= Date.now();

export const lateWords = 'Its time is over. Send it, but not after';

/** @param {OperatorMessage} message */
export const subjectOf = ({ kind, template }) => template ?? kindWords[kind] ?? kind;

/** Returns whether the message may change by itself soon. @param {OperatorMessage} message */
export function isMoving({ status, delivery, createdAt }) {
  if (status === 'queued' || status === 'sending') return true;
  const isOver = delivery?.status === 'read' || delivery?.status === 'failed';
  return status === 'accepted' && !isOver && Date.now() - Date.parse(createdAt) < 600_000;
}
