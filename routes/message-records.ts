import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { FastifyRequest } from 'fastify';
import { mayUse } from '../src/callers.ts';
import type { Config } from '../src/config.ts';
import { isTemplateRefused } from '../src/delivery/outcome.ts';
import type { Reconciler } from '../src/delivery/reconcile/reconciler.ts';
import type { Delivery, ResendContext } from '../src/delivery/types.ts';
import type { Holds } from '../src/holds/holds.ts';
import { callerOf } from '../src/http/authenticate.ts';
import type { ListedCheck } from '../src/http/listed-check.ts';
import { maskedIn } from '../src/http/request-log.ts';
import type { StopCheck } from '../src/http/stop-check.ts';
import { toMessage } from '../src/messages/message-view.ts';
import { Problem } from '../src/problem.ts';
import type { ProblemSlug } from '../src/problem-types.ts';
import { digits } from '../src/schemas/common.ts';
import { CancelParams, Message, MessageList, MessageParams, MessageQuery, ResendPost } from '../src/schemas/message.ts';
import { SendHeaders } from '../src/schemas/send-headers.ts';
import { assertWithinRules, recordPointers } from '../src/sending-rules.ts';
import type { TemplateCache } from '../src/templates/template-cache.ts';
import { checkTemplateMessage } from '../src/templates/template-validation.ts';
import { contextOn, deadlineOf, requesterOf, sendWaitMs } from './request-context.ts';
import { asBadCursor, replyWithMessage, sendResponses } from './send-response.ts';
import { assertSchedule } from './send-times.ts';
import { assertTimes } from './since.ts';
import type { TypedApp } from './typed-app.ts';

interface Services {
  /** Why queued messages are not sent now. */
  holds: Holds;
  config: Config;
  delivery: Delivery;
  reconciler: Reconciler;
  templates: TemplateCache;
  stopCheck: StopCheck;
  listedCheck: ListedCheck;
}

/** Problems of calls over the connection of the record. */
export const upstreamProblems = [
  'connection-unusable',
  'upstream-rejected',
  'quota-spent',
  'upstream-invalid',
  'upstream-unauthorized',
  'upstream-unavailable',
  'upstream-timeout',
] as const;

export const resendProblems: ProblemSlug[] = [
  'not-found',
  'message-not-resendable',
  'message-expired',
  'session-window-closed',
  'recipient-invalid',
  'recipient-opted-out',
  'template-unknown',
  'template-parameters-invalid',
  ...upstreamProblems,
];

async function findOwn(delivery: Delivery, caller: string, id: string) {
  const stored = await delivery.find(caller, id);
  if (!stored) throw new Problem('not-found', 'you have no message with this id');
  return stored;
}

function listMessages(app: TypedApp, { delivery, holds }: Services): void {
  app.get(
    '/v1/messages',
    {
      config: { scope: 'messages:read', problems: ['store-unavailable'] },
      schema: {
        operationId: 'listMessages',
        tags: ['messages'],
        summary: 'List your messages',
        description:
          'Newest first. `nextCursor` of an answer is the `cursor` of the next page. A page may hold fewer than `limit`, or none, while there is a `nextCursor`: so many records are looked at for one answer and no more. `delivery=failed` lists those that did not arrive.',
        querystring: MessageQuery,
        response: { 200: MessageList },
      },
    },
    async (request) => {
      const { limit, cursor, to, ...filter } = request.query;
      assertTimes(filter);
      const page = { limit, ...(cursor !== undefined && { cursor }) };
      const wanted = { ...filter, ...(to !== undefined && { to: digits(to) }) };
      const { messages, next } = await delivery.list(callerOf(request).id, wanted, page).catch(asBadCursor);
      return {
        data: messages.map((message) => toMessage(message, holds)),
        ...(next !== undefined && { nextCursor: next }),
      };
    },
  );
}

function getMessage(app: TypedApp, { delivery, holds }: Services): void {
  app.get(
    '/v1/messages/:id',
    {
      config: { scope: 'messages:read', problems: ['not-found', 'store-unavailable'] },
      schema: {
        operationId: 'getMessage',
        tags: ['messages'],
        summary: 'Read a message',
        description:
          'What is known of it now: `status` is what WATI said when it was sent, `delivery` what WATI has told since.',
        params: MessageParams,
        response: { 200: Message },
      },
    },
    async (request) => toMessage(await findOwn(delivery, callerOf(request).id, request.params.id), holds),
  );
}

function reconcileMessage(app: TypedApp, { config, delivery, reconciler }: Services): void {
  app.post(
    '/v1/messages/:id/reconcile',
    {
      config: {
        scope: 'messages:send',
        preferWait: 'calls',
        problems: ['not-found', 'store-unavailable', ...upstreamProblems],
      },
      schema: {
        operationId: 'reconcileMessage',
        tags: ['messages'],
        summary: 'Find out now whether an unknown message was sent',
        description:
          'Looks for the message by its own id, else by its content in the history of the recipient. Exactly one match makes it `accepted`; no match proves nothing, so it stays `unknown`. A message that is not `unknown` is answered as it is.',
        params: MessageParams,
        response: { 200: Message },
      },
    },
    async (request) => {
      const time = deadlineOf(request, config);
      const caller = callerOf(request).id;
      request.requestLog.messageId = request.params.id;
      const stored = await findOwn(delivery, caller, request.params.id);
      assertMayUse(request, stored.connectionId);
      const changed = await reconciler.reconcile(stored, contextOn(request, stored.connectionId, time));
      return toMessage(changed ? await findOwn(delivery, caller, stored.id) : stored);
    },
  );
}

function cancelMessage(app: TypedApp, { delivery, holds }: Services): void {
  app.post(
    '/v1/messages/:id/cancel',
    {
      config: {
        scope: 'messages:send',
        audit: true,
        problems: ['not-found', 'message-over', 'store-unavailable'],
      },
      schema: {
        operationId: 'cancelMessage',
        tags: ['messages'],
        summary: 'Cancel a message that is queued',
        description:
          'Works while the message waits for its `sendAt` or its turn, or is held, and also for a recipient of a broadcast. The message is then never sent. This cannot be undone, and the quota that it used stays used. A message that is being sent cannot be cancelled. Repeating the call gives the same answer.',
        params: CancelParams,
        response: { 200: Message },
      },
    },
    async (request) => {
      request.requestLog.messageId = request.params.id;
      const cancelled = await delivery.cancel(callerOf(request).id, request.params.id);
      request.requestLog.connection = cancelled.connectionId;
      return toMessage(cancelled, holds);
    },
  );
}

function resendMessage(app: TypedApp, { config, delivery, templates, stopCheck, listedCheck }: Services): void {
  app.post(
    '/v1/messages/:id/resend',
    {
      config: {
        scope: 'messages:send',
        sendsMessage: true,
        preferWait: 'outcome',
        problems: resendProblems,
      },
      schema: {
        operationId: 'resendMessage',
        tags: ['messages'],
        summary: 'Send an unknown or unsent message again',
        description:
          'A new message through the same channel, linked by `resendOf`, with the same reference, and the same `notAfter` unless you name another; once that has passed, the request has to name one (409 `message-expired`). An `unknown` one may then arrive twice: that is for you to decide, which is why the service never does it by itself. Once per message, even if the new one is cancelled, and not for files: their bytes are gone.',
        params: MessageParams,
        headers: SendHeaders,
        body: ResendPost,
        response: sendResponses,
      },
    },
    async (request, reply) => {
      const time = deadlineOf(request, config);
      const { id } = request.params;
      const requester = requesterOf(request);
      // Called once the message is known to be the caller's.
      const on: ResendContext = async ({ connectionId: connection, channel = config.WATI_CHANNEL_NUMBER }, content) => {
        assertMayUse(request, connection);
        assertSchedule(request, delivery.wallNow());
        await stopCheck(request, connection);
        await listedCheck(request, connection);
        request.requestLog.connection = connection;
        assertWithinRules(callerOf(request), { ...content.body }, recordPointers);
        const context = { ...contextOn(request, connection, time), channel };
        request.log.info({ resendOf: id, reason: maskedIn(request.body.reason) }, 'resend');
        if (content.kind === 'template')
          await checkTemplateMessage(content.body, (name, wanted) => templates.find(context, name, wanted));
        return { context, waitMs: sendWaitMs(request, time) };
      };
      const sent = await delivery.resend(requester, id, on);
      if (isTemplateRefused(sent.stored)) templates.invalidate(sent.stored.connectionId);
      return replyWithMessage(reply, sent);
    },
  );
}

/** A caller's own messages: what is known of them, and how to resolve `unknown`. */
export const messageRecords: FastifyPluginAsyncTypebox<Services> = async (app, services) => {
  listMessages(app, services);
  getMessage(app, services);
  reconcileMessage(app, services);
  resendMessage(app, services);
  cancelMessage(app, services);
};

/** The connection of the record. The caller may not be allowed to use it any more. */
function assertMayUse(request: FastifyRequest, connection: string): void {
  if (mayUse(callerOf(request), connection)) return;
  throw new Problem('forbidden', 'your key may not use the connection of this message');
}
