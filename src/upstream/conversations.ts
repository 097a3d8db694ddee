import { memoizeLast } from '../lib/memoize.ts';
import { assertSuccess, type CallContext, type Client, unrecognizedResponse } from './client.ts';
import { asPageTooLong, entriesIn, type Link, linkIn, type PageRequest } from './pages.ts';
import { isObject, type JsonObject } from './tolerant-reader.ts';

export interface Conversations {
  /** One page of rows as WATI has them: newest first, messages and system events mixed. */
  history(context: CallContext, target: string, page: PageRequest): Promise<History>;
  /** Without an e-mail WATI assigns the chat to the bot; `undefined` requests that explicitly. */
  assignOperator(context: CallContext, target: string, email: string | undefined): Promise<void>;
  setStatus(context: CallContext, target: string, ticketStatus: string): Promise<void>;
}

export interface History {
  rows: readonly JsonObject[];
  link: Link;
}

/** Requests that share the answer share this object. */
const historyIn = memoizeLast((body: JsonObject): History => {
  const inner = isObject(body.messages) ? body.messages.items : 'messages' in body ? body.messages : body.items;
  return { rows: entriesIn(body, inner).filter(isObject), link: linkIn(body) };
});

export function createConversations(client: Client): Conversations {
  return {
    history: async (context, target, query) => {
      const path = `/api/v1/getMessages/${target}`;
      const body = await client
        .get(context, { operation: 'getMessages', path, query: { ...query } })
        .catch((error: unknown) => asPageTooLong(error, query.pageSize));
      if (!isObject(body)) throw unrecognizedResponse(200);
      return historyIn(body);
    },
    assignOperator: async (context, whatsappNumber, email) => {
      const query = { email, whatsappNumber };
      const path = '/api/v1/assignOperator';
      assertSuccess(await client.write(context, { operation: 'assignOperator', method: 'POST', path, query }));
    },
    setStatus: async (context, whatsappNumber, ticketStatus) => {
      const json = { whatsappNumber, ticketStatus };
      const path = '/api/v1/updateChatStatus';
      assertSuccess(await client.write(context, { operation: 'updateChatStatus', method: 'POST', path, json }));
    },
  };
}
