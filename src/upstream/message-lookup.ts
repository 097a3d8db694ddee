import { Problem } from '../problem.ts';
import type { CallContext, Client } from './client.ts';
import { isObject, type JsonObject } from './tolerant-reader.ts';

/** Asks WATI for one message by our own id: the only read-back that it documents. */
export interface MessageLookup {
  /** The row under this id, which WATI keeps by channel: without one it cannot be asked. Undefined where WATI has none, or says what is not understood; neither proves anything. */
  findByClientId(context: CallContext & { channel: string }, localMessageId: string): Promise<JsonObject | undefined>;
}

export function createMessageLookup(client: Client): MessageLookup {
  return {
    findByClientId: async (context, localMessageId) => {
      const path = `/api/v1/whatsApp/messages/${context.channel}/${encodeURIComponent(localMessageId)}`;
      const body = await client.get(context, { operation: 'getMessageByLocalId', path }).catch(nothingIfAnswered);
      return rowsIn(body).find((row) => row.localMessageId === localMessageId);
    },
  };
}

/** What the answer looks like is not documented: the bare row, as a list of one, or wrapped like the rest of v1. */
function rowsIn(body: unknown): JsonObject[] {
  const wrapped = isObject(body) ? [body.message, body.result, body.data] : [];
  return [body, ...wrapped].flat().filter(isObject);
}

/** A tenant without this route may answer as it likes; one that cannot be reached, or refuses us, can tell nothing elsewhere. */
function nothingIfAnswered(error: unknown): undefined {
  if (!(error instanceof Problem)) throw error;
  const { slug, extras } = error;
  const answered = slug === 'upstream-unavailable' && extras.upstream !== undefined;
  if (answered || slug === 'not-found' || slug === 'upstream-invalid' || slug === 'upstream-rejected') return undefined;
  throw error;
}
