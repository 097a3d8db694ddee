import { createHash } from 'node:crypto';
import { firstOf } from '../upstream/answers/fields.ts';
import type { JsonObject } from '../upstream/tolerant-reader.ts';
import { idsOf } from './event-fields.ts';
import { eventName, eventTypeOf, isEvent, meaningOf } from './event-names.ts';

interface Member {
  /** The token's, never one that the body names. */
  connectionId: string;
  /** Parsed. */
  member: unknown;
  /** Its JSON text. */
  body: string;
}

/**
 * Equal for repeats of one delivery. WATI numbers no deliveries: a status event is known by its ids, its name and its state,
 * any other by its whole text. The ids are those that it is matched by, so a placeholder is none. The twins of one fact (`_v2`) differ, because only one of them has our id.
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

/** Lists and objects say no state, and may be nested deeper than can be written down. */
const scalar = (value: unknown): string | null =>
  typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? String(value) : null;
