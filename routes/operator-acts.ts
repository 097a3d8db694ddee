import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Problem } from '../src/problem.ts';
import { broadcastParams } from '../src/schemas/broadcast.ts';
import { answers, exampleIds } from '../src/schemas/common.ts';
import { MessageParams } from '../src/schemas/message.ts';
import { OperatorBroadcast } from '../src/schemas/operator.ts';
import { CancelParams, OperatorMessageDetail } from '../src/schemas/operator-message.ts';
import { StoreError } from '../src/store/errors.ts';
import { throwStoreUnreadable } from '../src/store/store-problems.ts';
import { upstreamProblems } from './message-records.ts';
import { type About, audited } from './operator-act.ts';
import { type ActServices, contextFor, findFor } from './operator-act-context.ts';
import { findAnyMessage, shownDetail } from './operator-messages.ts';
import { shownBroadcast } from './operator-records.ts';
import { resendAnyMessage } from './operator-resend.ts';
import type { TypedApp } from './typed-app.ts';

function reconcileAnyMessage(app: TypedApp, services: ActServices): void {
  const { store, reconciler, holds } = services;
  app.post(
    '/v1/operations/messages/:id/reconcile',
    {
      config: {
        scope: 'operations:write',
        preferWait: 'calls',
        problems: ['not-found', 'store-unavailable', ...upstreamProblems],
      },
      schema: {
        operationId: 'reconcileAnyMessage',
        tags: ['operations'],
        summary: 'Find out now whether an unknown message of any caller was sent',
        description:
          'Searches as for its caller, and also for a removed caller. Exactly one match makes the message `accepted`; no match proves nothing. Nothing is sent. The call is recorded in the audit log.',
        params: MessageParams,
        response: { 200: OperatorMessageDetail },
      },
    },
    async (request) => {
      const { id } = request.params;
      const about: About = { messageId: id };
      return audited(request, { act: 'message-reconcile', about }, async () => {
        const history = await findFor(request, services, { id, about });
        const changed = await reconciler.reconcile(history.message, contextFor(request, services, history.message));
        about.found = changed;
        return shownDetail(changed ? await findAnyMessage(store, id) : history, { holds, reveal: false });
      });
    },
  );
}

function cancelAnyMessage(app: TypedApp, services: ActServices): void {
  const { store, holds } = services;
  app.post(
    '/v1/operations/messages/:id/cancel',
    {
      config: { scope: 'operations:write', problems: ['not-found', 'message-over', 'store-unavailable'] },
      schema: {
        operationId: 'cancelAnyMessage',
        tags: ['operations'],
        summary: 'Cancel a queued message of any caller',
        description:
          'The message is then never sent. A message that is being sent or has an outcome cannot be cancelled. A recipient of a broadcast is removed from it. The call is recorded in the audit log.',
        params: CancelParams,
        response: { 200: OperatorMessageDetail },
      },
    },
    async (request) => {
      const { id } = request.params;
      const about: About = { messageId: id };
      return audited(request, { act: 'message-cancel', about }, async () => {
        await findFor(request, services, { id, about });
        const failure = { code: 'cancelled', detail: 'an operator cancelled it' };
        await store.complete(id, { status: 'cancelled', failure, outcome: null }).catch(unwritten);
        const history = await findAnyMessage(store, id);
        const { status } = history.message;
        about.status = status;
        if (status !== 'cancelled') {
          throw new Problem('message-over', `the message is ${status}; only a queued one can be cancelled`);
        }
        return shownDetail(history, { holds, reveal: false });
      });
    },
  );
}

function reconcileAnyBroadcast(app: TypedApp, { store, broadcasts, holds }: ActServices): void {
  app.post(
    '/v1/operations/broadcasts/:id/reconcile',
    {
      config: { scope: 'operations:write', problems: ['not-found', 'store-unavailable'] },
      schema: {
        operationId: 'reconcileAnyBroadcast',
        tags: ['operations'],
        summary: 'Find out whether the unknown messages of any broadcast were sent',
        description:
          'Searches for all messages of the broadcast that are `unknown`, starting with one of each lost call; `looks` shows the progress. Nothing is sent. The call is recorded in the audit log.',
        params: broadcastParams(exampleIds.doneBroadcast),
        response: { 202: answers('The search has begun.', OperatorBroadcast) },
      },
    },
    async (request, reply) => {
      const { id } = request.params;
      const about: About = { broadcastId: id };
      const sought = await audited(request, { act: 'broadcast-reconcile', about }, async () => {
        const found = await store.findAnyBroadcast(id).catch(throwStoreUnreadable);
        if (!found) throw new Problem('not-found', 'there is no broadcast with this id');
        about.of = found.caller;
        return broadcasts.reconcileUnknown(found.caller, id, () => true);
      });
      return reply.code(202).send(shownBroadcast(sought, holds));
    },
  );
}

function unwritten(cause: unknown): never {
  if (!(cause instanceof StoreError)) throw cause;
  const detail = 'it could not be written down; look at the message, or ask again';
  throw new Problem('store-unavailable', detail, { cause, retryAfterS: 2 });
}

/** Lets operators act on single messages, and search for the unknown messages of a broadcast. */
export const operatorActs: FastifyPluginAsyncTypebox<ActServices> = async (app, services) => {
  cancelAnyMessage(app, services);
  reconcileAnyMessage(app, services);
  resendAnyMessage(app, services);
  reconcileAnyBroadcast(app, services);
};
