import { Problem } from '../problem.ts';
import type { CallContext, Client } from './client.ts';
import { isObject, type JsonObject } from './tolerant-reader.ts';

/** Reads one message from WATI by our own id: the only documented way to read a message back. */
export interface MessageLookup {
  /**
   * The row with this id. WATI stores messages by channel, so without one there is no lookup. Undefined: WATI has no such row,
   * or its answer is not understood. Neither proves anything.
   */
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

/** The form of the answer is not documented: the bare row, a list with the row, or wrapped like other answers of v1. */
function rowsIn(body: unknown): JsonObject[] {
  const wrapped = isObject(body) ? [body.message, body.result, body.data] : [];
  return [body, ...wrapped].flat().filter(isObject);
}

/**
 * A tenant without this route may answer anything. If the upstream cannot be reached, or refuses us, other lookups fail too, so
 * that is thrown.
 */
function nothingIfAnswered(error: unknown): undefined {
  if (!(error instanceof Problem)) throw error;
  const { slug, extras } = error;
  const answered = slug === 'upstream-unavailable' && extras.upstream !== undefined;
  if (answered || slug === 'not-found' || slug === 'upstream-invalid' || slug === 'upstream-rejected') return undefined;
  throw error;
}
