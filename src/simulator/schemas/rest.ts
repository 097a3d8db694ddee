import { Type } from 'typebox';
import { Compile } from 'typebox/compile';
import { exact, Phone, paging, type Rule, Target, text } from './common.ts';

const ChatStatus = exact({
  whatsappNumber: Target,
  ticketStatus: Type.Enum(['OPEN', 'PENDING', 'SOLVED', 'BLOCK']),
  channelPhoneNumber: Type.Optional(Phone),
});
export const ChatStatusBody = Compile(ChatStatus);

export const getMessagesRule: Rule = {
  params: exact({ target: Target }),
  query: exact({ ...paging, channelPhoneNumber: Type.Optional(Phone) }),
};
export const getMessageByLocalIdRule: Rule = {
  params: exact({ channel: Phone, localMessageId: text(128) }),
  query: exact({}),
};
/** Without `email` WATI assigns the chat to the bot; the service does that only on request. */
export const assignOperatorRule: Rule = {
  query: exact({ whatsappNumber: Target, email: Type.Optional(Type.String({ pattern: '^[^\\s@]+@[^\\s@]+$' })) }),
};
export const updateChatStatusRule: Rule = { query: exact({}), body: ChatStatus };
export const getMediaRule: Rule = { query: exact({ fileName: text(1024) }) };
export const chatbotsRule: Rule = { query: exact({}) };
export const startChatbotRule: Rule = { query: exact({ whatsappNumber: Target, chatbotId: text(64) }) };
export const listWebhookEndpointsRule: Rule = { query: exact({}) };
export const rotateTokenRule: Rule = { query: exact({ token: text(4096) }) };

export const listConnectionsRule: Rule = {
  query: exact({
    app: Type.Optional(Type.Literal('wati')),
    status: Type.Optional(Type.Enum(['ACTIVE', 'PENDING', 'FAILED'])),
    method: Type.Optional(Type.Enum(['API_KEY', 'BASIC', 'JWT', 'OAUTH1', 'OAUTH2', 'MCP'])),
    limit: Type.Optional(Type.String({ pattern: '^[1-9][0-9]{0,3}$' })),
  }),
};
export const createConnectionRule: Rule = {
  query: exact({}),
  body: exact({ app: Type.Literal('wati'), method: Type.Optional(Type.Literal('API_KEY')) }),
};
/** Opaque, up to 512 printable ASCII. */
const byId = exact({ id: Type.String({ pattern: '^[!-~]{1,512}$' }) });
export const getConnectionRule: Rule = { params: byId, query: exact({}) };
export const deleteConnectionRule: Rule = { params: byId, query: exact({}) };
