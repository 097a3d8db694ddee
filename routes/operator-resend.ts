import type { FastifyRequest } from 'fastify';
import type { Callers } from '../src/callers.ts';
import { isTemplateRefused } from '../src/delivery/outcome.ts';
import type { ResendContext } from '../src/delivery/types.ts';
import { maskedIn } from '../src/http/request-log.ts';
import { Problem } from '../src/problem.ts';
import { answers } from '../src/schemas/common.ts';
import { OperatorMessage } from '../src/schemas/operator.ts';
import { OperatorResendParams, OperatorResendPost } from '../src/schemas/operator-message.ts';
import { SendHeaders } from '../src/schemas/send-headers.ts';
import { assertWithinRules, recordPointers } from '../src/sending-rules.ts';
import type { StoredMessage } from '../src/store/message-store.ts';
import { checkTemplateMessage } from '../src/templates/template-validation.ts';
import { resendProblems } from './message-records.ts';
import { type About, audited } from './operator-act.ts';
import { type ActServices, contextFor, findFor } from './operator-act-context.ts';
import { shownMessage } from './operator-records.ts';
import { deadlineOf, quotaOf, sendWaitMs } from './request-context.ts';
import { replyWithMessage } from './send-response.ts';
import { assertSchedule, scheduleOf } from './send-times.ts';
import type { TypedApp } from './typed-app.ts';

/** Sends a message of any caller again. */
export function resendAnyMessage(app: TypedApp, services: ActServices): void {
  const { callers, delivery, templates, holds } = services;
  app.post(
    '/v1/operations/messages/:id/resend',
    {
      config: {
        scope: 'operations:write',
        sendsMessage: true,
        preferWait: 'outcome',
        problems: resendProblems,
      },
      schema: {
        operationId: 'resendAnyMessage',
        tags: ['operations'],
        summary: 'Send an unknown or unsent message of any caller again',
        description:
          'Sends a new message of the same caller, linked by `resendOf`, with the same `notAfter` unless the request names another; once that has passed, it has to (409 `message-expired`). It uses the quota of the caller, the entry of the caller must allow it, and it is refused while sending is stopped. An `unknown` message may arrive twice, so decide whether that is better than none. Possible once per message, even if the new one is cancelled, and not for files, whose bytes are not kept. The call and the reason are recorded in the audit log.',
        params: OperatorResendParams,
        headers: SendHeaders,
        body: OperatorResendPost,
        response: {
          201: answers('Accepted by WATI; `Location` names the new message.', OperatorMessage),
          202: answers('`unknown`, or not settled yet (`queued`, `sending`).', OperatorMessage),
        },
      },
    },
    async (request, reply) => {
      const { id } = request.params;
      const about: About = { messageId: id, reason: maskedIn(request.body.reason) };
      const sent = await audited(request, { act: 'message-resend', about }, async () => {
        const { message } = await findFor(request, services, { id, about });
        const requester = requesterFor(request, callers, message);
        const result = await delivery.resend(requester, id, resendContext(request, services, message));
        Object.assign(about, { resentAs: result.stored.id, status: result.stored.status });
        return result;
      });
      const { stored } = sent;
      if (isTemplateRefused(stored)) templates.invalidate(stored.connectionId);
      const shown = shownMessage(stored, { holds, reveal: false });
      return replyWithMessage(reply, sent, { location: `/v1/operations/messages/${stored.id}`, shown });
    },
  );
}

function requesterFor(request: FastifyRequest, callers: Callers, { caller }: StoredMessage) {
  const key = request.headers['idempotency-key'];
  const entry = callers.byId(caller);
  return {
    caller,
    route: `${request.method} ${request.routeOptions.url}`,
    ...(typeof key === 'string' && { key }),
    ...scheduleOf(request),
    ...(entry && quotaOf(entry)),
  };
}

/** Takes rights and quota from the entry of the message's caller, not of the operator. */
function resendContext(request: FastifyRequest, services: ActServices, message: StoredMessage): ResendContext {
  const { callers, config, delivery, holds, templates, listedCheck } = services;
  return async ({ connectionId: connection, channel = config.WATI_CHANNEL_NUMBER }, content) => {
    const { caller } = message;
    const entry = callers.byId(caller);
    const hold = holds.reasonFor({ caller, connection, scope: 'messages:send' });
    const isRemoved = hold?.code.endsWith('-removed');
    if (!entry || isRemoved) {
      throw new Problem('message-not-resendable', hold?.detail ?? 'its caller is not in the callers file any more');
    }
    assertSchedule(request, delivery.wallNow());
    await listedCheck(request, connection);
    assertWithinRules(entry, { ...content.body }, recordPointers);
    const context = { ...contextFor(request, services, message), channel };
    if (content.kind === 'template')
      await checkTemplateMessage(content.body, (name, wanted) => templates.find(context, name, wanted));
    return { context, waitMs: sendWaitMs(request, deadlineOf(request, config)) };
  };
}
