import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { FastifyRequest } from 'fastify';
import { resendFingerprint } from '../src/broadcasts/resend.ts';
import type { BroadcastRecipient } from '../src/broadcasts/types.ts';
import { mayUse } from '../src/callers.ts';
import { callerOf } from '../src/http/authenticate.ts';
import type { ListedCheck } from '../src/http/listed-check.ts';
import { maskedIn } from '../src/http/request-log.ts';
import type { StopCheck } from '../src/http/stop-check.ts';
import { counted } from '../src/lib/counted.ts';
import { type FieldError, Problem } from '../src/problem.ts';
import { BroadcastResendPost, broadcastParams } from '../src/schemas/broadcast.ts';
import { exampleIds } from '../src/schemas/common.ts';
import { BroadcastHeaders } from '../src/schemas/send-headers.ts';
import { createSendingCheck, recordPointers } from '../src/sending-rules.ts';
import type { StoredBroadcast } from '../src/store/broadcast-store.ts';
import { checkTemplate, parameterFaults, type Sendable } from '../src/templates/template-validation.ts';
import { replyWithBroadcast, requireIdempotencyKey, resent } from './broadcast-response.ts';
import type { BroadcastServices } from './broadcasts.ts';
import { contextOn, deadlineOf } from './request-context.ts';
import { assertSchedule } from './send-times.ts';

export interface ResendServices extends BroadcastServices {
  stopCheck: StopCheck;
  listedCheck: ListedCheck;
}

/** Sends a broadcast again to recipients that did not get it, as a new broadcast. */
export const broadcastResend: FastifyPluginAsyncTypebox<ResendServices> = async (app, services) => {
  const { broadcasts } = services;
  app.post(
    '/v1/broadcasts/:id/resend',
    {
      config: {
        scope: 'broadcasts:send',
        sendsMessage: true,
        problems: [
          'not-found',
          'message-not-resendable',
          'message-expired',
          'template-unknown',
          'template-parameters-invalid',
          'connection-unusable',
        ],
      },
      schema: {
        operationId: 'resendBroadcast',
        tags: ['broadcasts'],
        summary: 'Send a broadcast again to recipients that did not get it',
        description:
          'Starts a new broadcast to the recipients in these states, with the same template, values, references and pace. They keep the `notAfter` of the original unless you name another; once that has passed, the request has to name one (409 `message-expired`). `resendOf` links the broadcast, and each of its messages, to the original. `unknown` recipients may get the message twice, so they are included only if `statuses` names them. Each message can be sent again once, while its content is kept (`KEY_RETENTION_HOURS` after its end, longer if unknown); `leftOut` counts the recipients that are left out. A resend that is cancelled counts too: to reach its recipients after that, start a new broadcast. The template and the rights of your key are checked as for a new broadcast.',
        params: broadcastParams(exampleIds.failedBroadcast),
        headers: BroadcastHeaders,
        body: BroadcastResendPost,
        response: resent,
      },
    },
    async (request, reply) => {
      const { statuses = ['not_sent', 'rejected'], reason } = request.body;
      const requester = requireIdempotencyKey(request);
      request.requestLog.broadcastId = request.params.id;
      const original = await broadcasts.find(requester.caller, request.params.id);
      const repeated = await broadcasts.findReplay(requester, () =>
        resendFingerprint({ original, statuses }, requester),
      );
      if (repeated) return replyWithBroadcast(reply, repeated);
      assertSchedule(request, broadcasts.wallNow());
      const check = await recipientCheck(services, request, original);
      request.log.info({ resendOf: original.id, reason: maskedIn(reason) }, 'resend');
      return replyWithBroadcast(reply, await broadcasts.resend(requester, { original, statuses, check }));
    },
  );
};

/** Checks the connection and the template of the original; returns the check of its recipients. */
async function recipientCheck(
  { config, templates, stopCheck, listedCheck }: ResendServices,
  request: FastifyRequest,
  { connectionId: connection, template, channel = config.WATI_CHANNEL_NUMBER }: StoredBroadcast,
) {
  if (!mayUse(callerOf(request), connection)) {
    throw new Problem('forbidden', 'your key may not use the connection of this broadcast');
  }
  await stopCheck(request, connection);
  await listedCheck(request, connection);
  const rules = createSendingCheck(callerOf(request));
  rules.template(template, recordPointers.template);
  rules.assert();
  const context = { ...contextOn(request, connection, deadlineOf(request, config)), channel };
  const versions = checkTemplate(await templates.find(context, template, { fresh: true }), template);
  return (recipients: readonly BroadcastRecipient[]) => {
    for (const { to } of recipients) rules.recipient(to, recordPointers.to);
    rules.assert();
    assertFit(recipients, versions);
  };
}

/** The template may have changed since the original. */
function assertFit(recipients: readonly BroadcastRecipient[], versions: Sendable): void {
  const errors: FieldError[] = [];
  for (const { parameters = {}, resendOf } of recipients) {
    const faults = versions.map((each) => parameterFaults(each, parameters));
    if (faults.some((each) => each.length === 0)) continue;
    errors.push(
      ...(faults[0] ?? []).map(({ detail }) => ({
        pointer: '/path/id',
        detail: `message ${resendOf}: a parameter ${detail}`,
      })),
    );
  }
  if (errors.length === 0) return;
  const detail = `the template has changed: ${counted(errors.length, 'fault')} in the first recipients; nothing was sent`;
  throw new Problem('template-parameters-invalid', detail, { errors: errors.slice(0, 100) });
}
