import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { Holds } from '../src/holds/holds.ts';
import { maskedIn } from '../src/http/request-log.ts';
import { isoTimes } from '../src/lib/iso-times.ts';
import { attemptsOf, timelineOf } from '../src/operator/message-timeline.ts';
import { Problem } from '../src/problem.ts';
import { MessageParams } from '../src/schemas/message.ts';
import {
  OperatorMessageDetail,
  OperatorMessageGet,
  type UnknownGroup,
  UnknownGroupList,
  UnknownQuery,
} from '../src/schemas/operator-message.ts';
import type { MessageHistory, OperatorMessageStore, UnknownMessages } from '../src/store/operator-message-store.ts';
import { throwStoreUnreadable } from '../src/store/store-problems.ts';
import { audited } from './operator-act.ts';
import { assertMayReveal, shownMessage } from './operator-records.ts';
import { asBadCursor } from './send-response.ts';
import type { TypedApp } from './typed-app.ts';

interface Services {
  store: OperatorMessageStore;
  holds: Holds;
}

/** Throws `not-found`. */
export async function findAnyMessage(store: Pick<OperatorMessageStore, 'findAnyMessage'>, id: string) {
  const found = await store.findAnyMessage(id).catch(throwStoreUnreadable);
  if (!found) throw new Problem('not-found', 'there is no message with this id');
  return found;
}

function listUnknown(app: TypedApp, { store }: Services): void {
  app.get(
    '/v1/operations/unknown',
    {
      config: { scope: 'operations:read', problems: ['store-unavailable'] },
      schema: {
        operationId: 'listUnknown',
        tags: ['operations'],
        summary: 'List messages of unknown outcome',
        description:
          'Messages that may or may not have been sent, grouped by the call whose answer was lost; a message with a call of its own is a group of one. Newest first. A page may contain fewer than `limit`, or none, although there is a `nextCursor`. Messages that are found leave the list; a message that was sent again stays in it.',
        querystring: UnknownQuery,
        response: { 200: UnknownGroupList },
      },
    },
    async (request) => {
      const { limit, cursor } = request.query;
      const { groups, next } = await store
        .listUnknown({ limit, ...(cursor !== undefined && { cursor }) })
        .catch(asBadCursor)
        .catch(throwStoreUnreadable);
      return { data: groups.map(shownGroup), ...(next !== undefined && { nextCursor: next }) };
    },
  );
}

function getAnyMessage(app: TypedApp, { store, holds }: Services): void {
  app.get(
    '/v1/operations/messages/:id',
    {
      config: { scope: 'operations:read', problems: ['not-found', 'store-unavailable'] },
      schema: {
        operationId: 'getAnyMessage',
        tags: ['operations'],
        summary: 'Read a message of any caller, with what happened to it',
        description:
          'Without its content. `timeline` lists what happened, from recorded to read, in chronological order; `attemptsMade` says why each attempt failed. The number is masked except for its last four digits. `reveal=true` shows it in full to a key with the scope `operations:reveal`, and is recorded in the audit log.',
        params: MessageParams,
        querystring: OperatorMessageGet,
        response: { 200: OperatorMessageDetail },
      },
    },
    async (request) => {
      const { reveal = false } = request.query;
      const { id } = request.params;
      assertMayReveal(request, reveal);
      const find = async () => shownDetail(await findAnyMessage(store, id), { holds, reveal });
      return reveal ? audited(request, { act: 'message-reveal', about: { messageId: id } }, find) : find();
    },
  );
}

/** Returns one message with its history, and lists messages whose outcome is unknown. */
export const operatorMessages: FastifyPluginAsyncTypebox<Services> = async (app, services) => {
  listUnknown(app, services);
  getAnyMessage(app, services);
};

export function shownDetail(
  history: MessageHistory,
  { holds, reveal }: { holds: Holds; reveal: boolean },
): OperatorMessageDetail {
  return {
    ...shownMessage(history.message, { holds, reveal }),
    timeline: timelineOf(history),
    attemptsMade: attemptsOf(history, reveal ? (words) => words : maskedIn),
    ...(history.resend && { resentAs: history.resend.id }),
  };
}

const shownGroup = ({ sentAt, nextLookAt, notAfter, ...group }: UnknownMessages): UnknownGroup => ({
  ...group,
  ...isoTimes({ sentAt, nextLookAt, notAfter }),
});
