import type { FastifyReply } from 'fastify';
import { locationOf } from '../src/delivery/idempotency.ts';
import { type Outcome, storedOutcome } from '../src/delivery/outcome.ts';
import type { SendResult } from '../src/delivery/types.ts';
import { logSend } from '../src/http/request-log.ts';
import { toMessage } from '../src/messages/message-view.ts';
import { Problem, type ProblemExtras } from '../src/problem.ts';
import type { ProblemSlug } from '../src/problem-types.ts';
import { answers } from '../src/schemas/common.ts';
import { Message } from '../src/schemas/message.ts';
import { asksForChannel } from '../src/upstream/client.ts';

/** The responses of a sending operation that are no problems. */
export const sendResponses = {
  201: answers('Accepted by WATI; `Location` names the message.', Message),
  202: answers(
    '`unknown`: it may or may not have been sent, and the service never sends it again. `queued`, `sending`: not settled yet.',
    Message,
  ),
};

/**
 * Responds with what is known of a message: 201 accepted, 202 not final or unknown. Throws the Problem of a message that was
 * rejected or not sent.
 */
export function replyWithMessage(
  reply: FastifyReply,
  { stored, replayed, pendingWrite }: SendResult,
  { location = locationOf(stored), shown = toMessage(stored) }: { location?: string; shown?: object } = {},
): FastifyReply {
  const headers = { location, ...(replayed && { 'idempotency-replayed': 'true' }) };
  const { requestLog } = reply.request;
  requestLog.outcome = stored.status;
  requestLog.messageId = stored.id;
  requestLog.connection = stored.connectionId;
  logSend(reply.request, stored);
  const outcome = storedOutcome(stored);
  if (outcome?.outcome === 'rejected') throw rejected(outcome, headers);
  if (outcome?.outcome === 'not_sent') throw notSent(outcome, headers);
  return reply
    .code(outcome?.outcome === 'accepted' ? 201 : 202)
    .headers(headers)
    .send({ ...shown, ...(pendingWrite && { recorded: false }) });
}

const channelWords =
  'WATI refused: the account has several numbers, and it has to be told which of them is meant: name it in `channel`; upstream.detail has its words';

type Headers = Record<string, string>;

function notSent(
  { detail, status, retryAfterS, expired }: Outcome & { outcome: 'not_sent' },
  headers: Headers,
): Problem {
  if (expired) return new Problem('message-expired', `${detail}; nothing was sent`, { outcome: 'not_sent', headers });
  return new Problem('upstream-unavailable', `${detail}; it is certain that nothing was sent`, {
    outcome: 'not_sent',
    headers,
    retryAfterS,
    ...(status !== undefined && { upstream: { status } }),
  });
}

const byRefusal: Record<(Outcome & { outcome: 'rejected' })['refusal'], ProblemSlug> = {
  'window-closed': 'session-window-closed',
  recipient: 'recipient-invalid',
  'opted-out': 'recipient-opted-out',
  'template-parameters': 'template-parameters-invalid',
  template: 'template-unknown',
  credentials: 'upstream-unauthorized',
  connection: 'connection-unusable',
  account: 'upstream-rejected',
  quota: 'quota-spent',
  edge: 'upstream-rejected',
  route: 'upstream-rejected',
  redirect: 'upstream-invalid',
  'bad-request': 'upstream-rejected',
  other: 'upstream-rejected',
};

/** Our sentence for each refusal; WATI's own words are in `upstream.detail`. */
const refusalWords: Record<
  Exclude<(Outcome & { outcome: 'rejected' })['refusal'], 'credentials' | 'connection' | 'redirect'>,
  string
> = {
  'window-closed': 'WATI refused: the 24 hours since the last message of this person are over; send a template',
  recipient: 'WATI refused: the recipient is not on WhatsApp, or not known to WATI',
  'opted-out': 'WATI refused: the recipient has opted out',
  'template-parameters': 'WATI refused the parameters of the template; upstream.detail has its words',
  template: 'WATI refused the template; upstream.detail has its words',
  account: 'WATI refused: the account, its plan or its credits do not allow it; upstream.detail has its words',
  quota: 'WATI refused: the account has spent its quota; upstream.detail has its words',
  edge: 'refused: what stands in front of WATI does not let this content pass; nothing was sent',
  route: 'WATI does not know this call; an operator has to look at it',
  'bad-request': 'WATI refused the request; upstream.detail has its words',
  other: 'WATI refused; upstream.detail has its words',
};

function rejected({ refusal, detail, status }: Outcome & { outcome: 'rejected' }, headers: Headers): Problem {
  const extras: ProblemExtras = { outcome: 'rejected', headers, upstream: { status, detail } };
  const slug = byRefusal[refusal];
  // The detail is our own text already, so it is not quoted again.
  if (refusal === 'credentials' || refusal === 'connection') {
    return new Problem(slug, detail, { ...extras, upstream: { status } });
  }
  if (refusal === 'redirect') {
    const text = `the upstream answered ${status}, which is not followed; nothing was sent`;
    return new Problem(slug, text, { ...extras, upstream: { status } });
  }
  const isUnsorted = refusal === 'other' || refusal === 'bad-request';
  const words = isUnsorted && asksForChannel(status, detail) ? channelWords : refusalWords[refusal];
  // Under its key the same answer is repeated, however long it takes until the quota is renewed.
  return new Problem(slug, words, { ...extras, ...(refusal === 'quota' && { retryable: false }) });
}

/** Throws the Problem of a cursor that the list did not issue. */
export function asBadCursor(error: unknown): never {
  if (!(error instanceof RangeError)) throw error;
  const errors = [{ pointer: '/query/cursor', detail: 'is not a cursor that this list answered' }];
  throw new Problem('validation-failed', '1 fault in the request', { errors, cause: error });
}
