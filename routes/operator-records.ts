import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { FastifyRequest } from 'fastify';
import { assertChanged } from '../src/broadcasts/status-change.ts';
import type { KnownBroadcast } from '../src/broadcasts/types.ts';
import { hasScope } from '../src/callers.ts';
import { type Holds, sendingQuestionOf } from '../src/holds/holds.ts';
import { callerOf } from '../src/http/authenticate.ts';
import { maskedIn, referenceForLog } from '../src/http/request-log.ts';
import { masked } from '../src/lib/masked.ts';
import { toBroadcast } from '../src/messages/broadcast-view.ts';
import { toMessage } from '../src/messages/message-view.ts';
import type { CallersView } from '../src/operator/callers-view.ts';
import { Problem } from '../src/problem.ts';
import { broadcastParams } from '../src/schemas/broadcast.ts';
import { digits, exampleIds } from '../src/schemas/common.ts';
import {
  OperatorBroadcast,
  OperatorBroadcastList,
  OperatorBroadcastQuery,
  type OperatorMessage,
  OperatorMessageList,
  OperatorMessageQuery,
} from '../src/schemas/operator.ts';
import type { StoredMessage } from '../src/store/message-store.ts';
import type { OperatorStore } from '../src/store/operator-store.ts';
import { throwStoreUnreadable } from '../src/store/store-problems.ts';
import { audited } from './operator-act.ts';
import { asBadCursor } from './send-response.ts';
import { assertTimes } from './since.ts';
import type { TypedApp } from './typed-app.ts';

interface Services {
  store: Pick<OperatorStore, 'listAllBroadcasts' | 'listMessagesOf' | 'changeAnyBroadcastStatus'>;
  callersView: CallersView;
  holds: Holds;
  /** Called when a broadcast may have something to send again, or nothing any more. */
  onChange: () => void;
}

const steering = {
  pause: { to: 'paused', example: exampleIds.operatedBroadcast, summary: 'Pause a broadcast of any caller' },
  resume: { to: 'running', example: exampleIds.operatedBroadcast, summary: 'Resume a broadcast of any caller' },
  cancel: { to: 'cancelled', example: exampleIds.unwantedBroadcast, summary: 'Cancel a broadcast of any caller' },
} as const;

function listAllBroadcasts(app: TypedApp, { store, holds }: Services): void {
  app.get(
    '/v1/operations/broadcasts',
    {
      config: { scope: 'operations:read', problems: ['store-unavailable'] },
      schema: {
        operationId: 'listAllBroadcasts',
        tags: ['operations'],
        summary: 'List the broadcasts of all callers',
        description: 'Newest first. `hold` says why one that has recipients waiting does not go on now.',
        querystring: OperatorBroadcastQuery,
        response: { 200: OperatorBroadcastList },
      },
    },
    async (request) => {
      const { limit, cursor, ...filter } = request.query;
      const page = { limit, ...(cursor !== undefined && { cursor }) };
      const { broadcasts, next } = await store
        .listAllBroadcasts(filter, page)
        .catch(asBadCursor)
        .catch(throwStoreUnreadable);
      return {
        data: broadcasts.map((broadcast) => shownBroadcast(broadcast, holds)),
        ...(next !== undefined && { nextCursor: next }),
      };
    },
  );
}

function changeBroadcasts(app: TypedApp, { store, holds, onChange }: Services): void {
  for (const verb of ['pause', 'resume', 'cancel'] as const) {
    const { to, example, summary } = steering[verb];
    app.post(
      `/v1/operations/broadcasts/:id/${verb}`,
      {
        config: { scope: 'operations:write', problems: ['not-found', 'broadcast-over', 'store-unavailable'] },
        schema: {
          operationId: `${verb}AnyBroadcast`,
          tags: ['operations'],
          summary,
          description: 'As its caller would. It is written to the log.',
          params: broadcastParams(example),
          response: { 200: OperatorBroadcast },
        },
      },
      async (request) => {
        const { id } = request.params;
        const about: Record<string, unknown> = { broadcastId: id };
        return audited(request, { act: `broadcast-${verb}`, about }, async () => {
          const broadcast = await store.changeAnyBroadcastStatus(id, to).catch(throwStoreUnreadable);
          if (!broadcast) throw new Problem('not-found', 'there is no broadcast with this id');
          about.of = broadcast.caller;
          assertChanged(broadcast.status, to);
          onChange();
          return shownBroadcast(broadcast, holds);
        });
      },
    );
  }
}

function listAllMessages(app: TypedApp, { store, callersView, holds }: Services): void {
  app.get(
    '/v1/operations/messages',
    {
      config: { scope: 'operations:read', problems: ['store-unavailable'] },
      schema: {
        operationId: 'listAllMessages',
        tags: ['operations'],
        summary: 'List the messages of all callers',
        description:
          'Newest first, without their content; a page may hold fewer than `limit` while there is a `nextCursor`. Numbers are shown by their last four digits; with `reveal=true` in full, to a key with the scope `operations:reveal`, and that is written to the log.',
        querystring: OperatorMessageQuery,
        response: { 200: OperatorMessageList },
      },
    },
    async (request) => {
      const { limit, cursor, to, caller, reveal = false, ...filter } = request.query;
      assertMayReveal(request, reveal);
      assertTimes(filter);
      const page = { limit, ...(cursor !== undefined && { cursor }) };
      const wanted = { ...filter, ...(to !== undefined && { to: digits(to) }) };
      const list = async () => {
        const callers = caller === undefined ? await callersView.ids() : [caller];
        const { messages, next } = await store
          .listMessagesOf(callers, wanted, page)
          .catch(asBadCursor)
          .catch(throwStoreUnreadable);
        about.messages = messages.length;
        const data = messages.map((send) => shownMessage(send, { holds, reveal }));
        return { data, ...(next !== undefined && { nextCursor: next }) };
      };
      const about: Record<string, unknown> = {
        ...filter,
        ...(caller !== undefined && { of: caller }),
        ...(to !== undefined && { to: masked(to) }),
      };
      return reveal ? audited(request, { act: 'messages-reveal', about }, list) : list();
    },
  );
}

/** Broadcasts and messages of all callers. */
export const operatorRecords: FastifyPluginAsyncTypebox<Services> = async (app, services) => {
  listAllBroadcasts(app, services);
  changeBroadcasts(app, services);
  listAllMessages(app, services);
};

export function assertMayReveal(request: FastifyRequest, reveal: boolean): void {
  if (!reveal || hasScope(callerOf(request), 'operations:reveal')) return;
  throw new Problem('forbidden', 'your key lacks the scope operations:reveal, which `reveal=true` needs');
}

export function shownBroadcast(broadcast: KnownBroadcast, holds: Holds): OperatorBroadcast {
  const { caller, connectionId, status } = broadcast;
  const waits = status === 'running' || status === 'paused';
  const ask = { caller, connection: connectionId, scope: 'broadcasts:send' } as const;
  const hold = waits ? holds.reasonFor(ask) : undefined;
  return { ...toBroadcast(broadcast), caller, ...(hold && { hold }) };
}

export function shownMessage(
  send: StoredMessage,
  { holds, reveal }: { holds: Holds; reveal: boolean },
): OperatorMessage {
  const { caller, broadcastId, kind } = send;
  const hold = send.status === 'queued' ? holds.reasonFor(sendingQuestionOf(send)) : undefined;
  const { id, to, connectionId, status, template, failure, attempts, resendOf, ...rest } = toMessage(send);
  const { localMessageId, whatsappMessageId, reference, idempotencyKey, delivery, sendAt, notAfter } = rest;
  const { createdAt, updatedAt } = rest;
  const words = (text: string) => (reveal ? text : maskedIn(text));
  return {
    id,
    caller,
    kind,
    ...(to !== undefined && { to: reveal ? to : masked(to) }),
    connectionId,
    status,
    ...(template !== undefined && { template }),
    ...(reference !== undefined && { reference: reveal ? reference : referenceForLog(reference, to) }),
    ...(idempotencyKey !== undefined && { idempotencyKey }),
    // The upstream's words may contain the number that it refuses.
    ...(failure && { failure: { code: failure.code, detail: words(failure.detail) } }),
    ...(delivery && { delivery }),
    attempts,
    ...(sendAt !== undefined && { sendAt }),
    ...(notAfter !== undefined && { notAfter }),
    ...(broadcastId !== undefined && { broadcastId }),
    ...(resendOf !== undefined && { resendOf }),
    ...(localMessageId !== undefined && { localMessageId }),
    ...(reveal && whatsappMessageId !== undefined && { whatsappMessageId }),
    ...(hold && { hold }),
    createdAt,
    updatedAt,
  };
}
