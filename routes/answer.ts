import type { FastifyReply } from 'fastify';
import type { Send } from '../src/delivery/delivery.ts';
import { Problem, type ProblemExtras, type ProblemSlug } from '../src/problem.ts';
import { Message } from '../src/schemas/message.ts';
import { answers } from '../src/schemas/words.ts';
import type { Refusal, Verdict } from '../src/upstream/verdict.ts';

/** The answers of a sending operation that are no problems. */
export const sendResponses = {
  201: answers('Accepted by WATI; `Location` names the message.', Message),
  202: answers(
    '`unknown`: it may or may not have been sent, and the service never sends it again. `sending`: not settled yet.',
    Message,
  ),
};

/** The answer that fits what is known of a send (contract 4 and 5). Throws the Problem of a send that did not happen. */
export function answer(reply: FastifyReply, { message, verdict, connectionFault, retryAfterS }: Send): FastifyReply {
  const location = `/v1/messages/${message.id}`;
  reply.request.trace.outcome = message.status;
  if (verdict?.outcome === 'rejected') throw rejected(verdict, connectionFault, location);
  if (verdict?.outcome === 'not_sent') {
    const { detail, status } = verdict;
    throw new Problem('upstream-unavailable', `${detail}; it is certain that nothing was sent`, {
      outcome: 'not_sent',
      headers: { location },
      ...(status !== undefined && { upstream: { status } }),
      ...(retryAfterS !== undefined && { retryAfterS }),
    });
  }
  const body: Message = message;
  return reply
    .code(verdict?.outcome === 'accepted' ? 201 : 202)
    .header('location', location)
    .send(body);
}

const byRefusal: Record<Refusal, ProblemSlug> = {
  'window-closed': 'session-window-closed',
  recipient: 'recipient-invalid',
  'template-parameters': 'template-parameters-invalid',
  template: 'template-unknown',
  credentials: 'upstream-unauthorized',
  redirect: 'upstream-invalid',
  'bad-request': 'upstream-rejected',
  other: 'upstream-rejected',
};

function rejected(
  { refusal, detail, status }: Verdict & { outcome: 'rejected' },
  connectionFault: string | undefined,
  location: string,
): Problem {
  const extras: ProblemExtras = { outcome: 'rejected', headers: { location }, upstream: { status, detail } };
  if (connectionFault !== undefined) return new Problem('connection-unusable', connectionFault, extras);
  const slug = byRefusal[refusal];
  // Our own words need no quotation of them.
  if (refusal === 'credentials') return new Problem(slug, detail, { ...extras, upstream: { status } });
  if (refusal === 'redirect') {
    const text = `the upstream answered ${status}, which is not followed; nothing was sent`;
    return new Problem(slug, text, { ...extras, upstream: { status } });
  }
  return new Problem(slug, `WATI refused: ${detail}`, extras);
}
