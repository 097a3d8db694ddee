import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { masked } from '../plugins/access-log.ts';
import { oncePer } from '../src/once-per.ts';
import { invalid } from '../src/problem.ts';
import {
  ConversationChannel,
  type ConversationMessage,
  ConversationMessagePage,
  ConversationParams,
  ConversationQuery,
  Operator,
  OperatorPut,
  StatusOfConversation,
  StatusPut,
} from '../src/schemas/conversation.ts';
import { digits } from '../src/schemas/words.ts';
import type { Conversations, History } from '../src/upstream/conversations.ts';
import { isObject, isoDate, type JsonObject, str } from '../src/upstream/lenient.ts';
import type { ContextOf } from './context.ts';
import { writeOnce } from './write-once.ts';

interface Services {
  conversations: Conversations;
  contextOf: ContextOf;
}

export const conversations: FastifyPluginAsyncTypebox<Services> = async (app, { conversations, contextOf }) => {
  app.get(
    '/v1/conversations/:recipient/messages',
    {
      config: { scope: 'conversations:read', connection: true, problems: ['not-found'] },
      schema: {
        operationId: 'listConversationMessages',
        tags: ['conversations'],
        summary: 'Read the history of a conversation',
        description:
          'Newest first. Real messages only, so a page can be shorter than `pageSize`; `events=true` keeps the system events between them.',
        params: ConversationParams,
        querystring: ConversationQuery,
        response: { 200: ConversationMessagePage },
      },
    },
    async (request, reply) => {
      const { page, pageSize, events = false } = request.query;
      const target = digits(request.params.recipient);
      const history = await conversations.history(await contextOf(request, reply), target, {
        pageNumber: page,
        pageSize,
      });
      writeOnce(reply);
      return events ? pageWithEvents(history, page, pageSize) : pageOf(history, page, pageSize);
    },
  );

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
      request.trace.to = masked(recipient);
      const { email } = request.body;
      await conversations.assignOperator(await contextOf(request), recipient, email);
      return { recipient, operator: email ?? 'bot' };
    },
  );

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
      request.trace.to = masked(recipient);
      const { status } = request.body;
      // WATI's word is BLOCK where ours is blocked (upstream.md 3.8).
      await conversations.setStatus(
        await contextOf(request),
        recipient,
        status === 'blocked' ? 'BLOCK' : status.toUpperCase(),
      );
      return { recipient, status };
    },
  );
};

const noChannel = {
  pointer: '/query/channel',
  detail: 'WATI assigns a conversation by the number of the customer alone, and takes no channel for it: leave it out',
};

const pageWithEvents = oncePer(({ rows, total }: History, number: number, size: number) => ({
  data: rows.map(toConversationMessage),
  page: { number, size, ...(total !== undefined && { total }) },
}));

const pageOf = oncePer((history: History, number: number, size: number) => {
  const { data, page } = pageWithEvents(history, number, size);
  return { data: data.filter(({ direction }) => direction !== 'system'), page };
});

/** A row of getMessages; events and messages are told apart by `eventType` (upstream.md 3.2, contract 8.4). */
function toConversationMessage(row: JsonObject): ConversationMessage {
  const eventType = str(row.eventType) ?? 'message';
  const isTemplate = row.type === 'template' || /broadcast|template/i.test(eventType);
  const isMessage = isTemplate || eventType === 'message';
  const text = isTemplate ? (str(row.finalText) ?? str(row.eventDescription) ?? str(row.text)) : str(row.text);
  const path = mediaPath(row);
  const status = str(row.statusString)?.toLowerCase();
  const code = str(row.failedCode);
  const detail = str(row.failedDetail);
  const operator = str(row.operatorName);
  const replyTo = str(row.replyContextId);
  return {
    id: str(row.id) ?? '',
    // `owner` is null on events and may be absent on templates, which are always ours.
    direction: !isMessage ? 'system' : isTemplate || row.owner === true ? 'out' : 'in',
    type: isTemplate ? 'template' : isMessage ? (str(row.type) ?? 'text') : eventType,
    ...optional('text', isMessage ? text : (text ?? str(row.eventDescription))),
    ...(path !== undefined && { media: { path } }),
    ...optional('status', isMessage ? status : undefined),
    ...((code ?? detail) !== undefined && { failure: { ...optional('code', code), ...optional('detail', detail) } }),
    ...optional('operator', operator),
    ...optional('replyTo', replyTo),
    at: isoDate(row.created) ?? isoDate(row.timestamp) ?? new Date(0).toISOString(),
  };
}

const optional = <Key extends string>(key: Key, value: string | undefined) =>
  (value === undefined ? {} : { [key]: value }) as { [Name in Key]?: string };

/** The stored path stands in `data`, as a string or inside an object. Free text in `data` is no path. */
function mediaPath(row: JsonObject): string | undefined {
  const candidates = [
    row.data,
    row.media,
    isObject(row.data) ? row.data.path : undefined,
    isObject(row.media) ? row.media.path : undefined,
  ];
  return candidates.map(str).find((candidate) => candidate !== undefined && /^data\/[\w./-]+$/.test(candidate));
}
