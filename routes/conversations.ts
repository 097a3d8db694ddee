import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { callerOf } from '../src/http/authenticate.ts';
import { isoTimes } from '../src/lib/iso-times.ts';
import { masked } from '../src/lib/masked.ts';
import { memoizeLast } from '../src/lib/memoize.ts';
import { invalid, Problem } from '../src/problem.ts';
import { digits } from '../src/schemas/common.ts';
import {
  Conversation,
  ConversationChannel,
  ConversationLook,
  ConversationMessagePage,
  ConversationParams,
  ConversationQuery,
  Operator,
  OperatorPut,
  StatusOfConversation,
  StatusPut,
} from '../src/schemas/conversation.ts';
import {
  type ConversationStore,
  type ConversationView,
  noteHistory,
  viewConversation,
} from '../src/tracking/conversation-view.ts';
import { toWindow } from '../src/tracking/window.ts';
import type { Conversations, History } from '../src/upstream/conversations.ts';
import { inSmallerPages } from '../src/upstream/pages.ts';
import { toConversationMessages } from './conversation-rows.ts';
import { toPage } from './page.ts';
import type { ResolveContext } from './request-context.ts';
import { serializeOnce } from './serialize-once.ts';
import type { TypedApp } from './typed-app.ts';

interface Services {
  conversations: Conversations;
  store: ConversationStore;
  /** Wall clock, ms. */
  now: () => number;
  /** How long after a message its caller gets the replies of the recipient. */
  routingMs: number;
  resolveContext: ResolveContext;
}

function getConversation(app: TypedApp, { conversations, store, now, routingMs, resolveContext }: Services): void {
  app.get(
    '/v1/conversations/:recipient',
    {
      config: { scope: 'conversations:read', connection: true, problems: ['store-unavailable'] },
      schema: {
        operationId: 'getConversation',
        tags: ['conversations'],
        summary: 'Read whether a conversation is open',
        description:
          'Whether texts and files may be sent now, by what this service has heard: from webhooks, from refusals, and with `refresh=true` from the history. Somebody of whom nothing is known is answered as well.',
        params: ConversationParams,
        querystring: ConversationLook,
        response: { 200: Conversation },
      },
    },
    async (request, reply) => {
      const recipient = digits(request.params.recipient);
      request.requestLog.to = masked(recipient);
      const context = await resolveContext(request, reply);
      const who = { connectionId: context.connection, recipient, caller: callerOf(request).id };
      const ask = { ...who, now: now(), routingMs };
      if (request.query.refresh) {
        const newest = (pageSize: number) => conversations.history(context, recipient, { pageNumber: 1, pageSize });
        const { rows } = await inSmallerPages([100, 10], newest).catch(emptyIfUnknown);
        await noteHistory(store, ask, timesReceived(rows));
      }
      return toConversation(recipient, await viewConversation(store, ask));
    },
  );
}

function listConversationMessages(app: TypedApp, { conversations, resolveContext }: Services): void {
  app.get(
    '/v1/conversations/:recipient/messages',
    {
      config: { scope: 'conversations:read', connection: true, problems: ['not-found'] },
      schema: {
        operationId: 'listConversationMessages',
        tags: ['conversations'],
        summary: 'Read the history of a conversation',
        description:
          'Newest first. Real messages only, so a page can be shorter than `pageSize`; `events=true` keeps the system events between them. Taps, places, contacts, orders and reactions are fields of their own. A page longer than 4 MiB is a 502 that says so: ask for a smaller `pageSize`.',
        params: ConversationParams,
        querystring: ConversationQuery,
        response: { 200: ConversationMessagePage },
      },
    },
    async (request, reply) => {
      const { page, pageSize, events = false } = request.query;
      const target = digits(request.params.recipient);
      const history = await conversations.history(await resolveContext(request, reply), target, {
        pageNumber: page,
        pageSize,
      });
      serializeOnce(reply);
      return events ? pageWithEvents(history, page, pageSize) : pageOf(history, page, pageSize);
    },
  );
}

function assignOperator(app: TypedApp, { conversations, resolveContext }: Services): void {
  app.put(
    '/v1/conversations/:recipient/operator',
    {
      config: { scope: 'conversations:write', connection: true, problems: ['not-found'] },
      preValidation: async ({ query }) => {
        if (typeof query === 'object' && query !== null && 'channel' in query) throw invalid([noChannel]);
      },
      schema: {
        operationId: 'assignOperator',
        tags: ['conversations'],
        summary: 'Assign a conversation',
        description:
          'To an operator by e-mail, or to the bot: `{"bot": true}`. WATI takes no `channel` here, so naming one is a 400.',
        params: ConversationParams,
        body: OperatorPut,
        response: { 200: Operator },
      },
    },
    async (request) => {
      const recipient = digits(request.params.recipient);
      request.requestLog.to = masked(recipient);
      const { email } = request.body;
      await conversations.assignOperator(await resolveContext(request), recipient, email);
      return { recipient, operator: email ?? 'bot' };
    },
  );
}

function setConversationStatus(app: TypedApp, { conversations, resolveContext }: Services): void {
  app.put(
    '/v1/conversations/:recipient/status',
    {
      config: { scope: 'conversations:write', connection: true, problems: ['not-found'] },
      schema: {
        operationId: 'setConversationStatus',
        tags: ['conversations'],
        summary: 'Set the status of a conversation',
        description: '`blocked` stops the customer from reaching you.',
        params: ConversationParams,
        querystring: ConversationChannel,
        body: StatusPut,
        response: { 200: StatusOfConversation },
      },
    },
    async (request) => {
      const recipient = digits(request.params.recipient);
      request.requestLog.to = masked(recipient);
      const { status } = request.body;
      // WATI calls BLOCK what is `blocked` here.
      await conversations.setStatus(
        await resolveContext(request),
        recipient,
        status === 'blocked' ? 'BLOCK' : status.toUpperCase(),
      );
      return { recipient, status };
    },
  );
}

export const conversations: FastifyPluginAsyncTypebox<Services> = async (app, services) => {
  getConversation(app, services);
  listConversationMessages(app, services);
  assignOperator(app, services);
  setConversationStatus(app, services);
};

/** A person whom WATI does not know has no messages. */
function emptyIfUnknown(error: unknown): Pick<History, 'rows'> {
  if (error instanceof Problem && error.slug === 'not-found') return { rows: [] };
  throw error;
}

const timesReceived = (rows: History['rows']): number[] =>
  toConversationMessages(rows)
    .filter(({ direction }) => direction === 'in')
    .map(({ at }) => Date.parse(at))
    .filter((at) => at > 0);

function toConversation(recipient: string, view: ConversationView): Conversation {
  const { known, phone, window, lastSend, repliesTo } = view;
  return {
    recipient,
    ...(phone !== undefined && { phone }),
    ...(known?.bsuid !== undefined && { bsuid: known.bsuid }),
    ...(known?.username !== undefined && { username: known.username }),
    window: toWindow(window),
    ...isoTimes({ lastReceivedAt: known?.lastInAt, lastSentAt: lastSend?.sentAt }),
    repliesTo,
  };
}

const noChannel = {
  pointer: '/query/channel',
  detail: 'WATI assigns a conversation by the number of the customer alone, and takes no channel for it: leave it out',
};

const pageWithEvents = memoizeLast(({ rows, link }: History, number: number, size: number) => ({
  data: toConversationMessages(rows),
  page: toPage(link, number, size),
}));

const pageOf = memoizeLast((history: History, number: number, size: number) => {
  const { data, page } = pageWithEvents(history, number, size);
  return { data: data.filter(({ direction }) => direction !== 'system'), page };
});
