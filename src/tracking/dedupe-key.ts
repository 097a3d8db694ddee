import { createHash } from 'node:crypto';
import { firstOf } from '../upstream/answers/fields.ts';
import type { JsonObject } from '../upstream/tolerant-reader.ts';
import { idsOf } from './event-fields.ts';
import { eventName, eventTypeOf, isEvent, meaningOf } from './event-names.ts';

interface Member {
  /** The connection of the token. A connection that the body names does not count. */
  connectionId: string;
  /** The member, parsed. */
  member: unknown;
  /** The JSON text of the member. */
  body: string;
}

/**
 * A key that is equal for repeats of one webhook. WATI gives webhooks no number: a status event is identified by its ids, its
 * name and its state, any other event by its whole text. Only ids that matching uses count, so placeholders do not. Twins of
 * one fact (`_v2`) have different keys, because only one of them contains our id.
 */
export function dedupeKey({ connectionId, member, body }: Member): string {
  const parts = isEvent(member) ? statusParts(member) : undefined;
  const text = JSON.stringify(parts ? [connectionId, ...parts] : [connectionId, body]);
  return createHash('sha256').update(text).digest('hex');
}

function statusParts(member: JsonObject): (string | null)[] | undefined {
  const eventType = scalar(eventTypeOf(member));
  if (meaningOf(eventName(eventType))?.kind !== 'status') return undefined;
  const { whatsappMessageId = null, localMessageId = null, watiId = null } = idsOf(member);
  const ids = [whatsappMessageId, localMessageId, watiId];
  if (ids.every((id) => id === null)) return undefined;
  const states = ['failedCode', 'statusString'].map((name) => scalar(firstOf(member, name)));
  return [eventType?.trim().toLowerCase() ?? null, ...ids, ...states];
}

/** A list or an object is no state; it may also be nested too deeply for JSON.stringify. */
const scalar = (value: unknown): string | null =>
  typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? String(value) : null;
