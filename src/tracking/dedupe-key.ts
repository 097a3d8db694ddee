import { createHash } from 'node:crypto';
import { firstOf } from '../upstream/answers/fields.ts';
import { isObject } from '../upstream/tolerant-reader.ts';
import { eventName, meaningOf } from './event-names.ts';

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
 * any other by its whole text. The twins of one fact (`_v2`) differ, because only one of them has our id.
 */
export function dedupeKey({ connectionId, member, body }: Member): string {
  const parts = isObject(member) ? statusParts(member) : undefined;
  const text = JSON.stringify(parts ? [connectionId, ...parts] : [connectionId, body]);
  return createHash('sha256').update(text).digest('hex');
}

function statusParts(member: Readonly<Record<string, unknown>>): (string | null)[] | undefined {
  const eventType = scalar(firstOf(member, 'eventType', 'event_type'));
  if (meaningOf(eventName(eventType))?.kind !== 'status') return undefined;
  const ids = ['whatsappMessageId', 'localMessageId', 'id'].map((name) => scalar(firstOf(member, name)));
  if (ids.every((id) => id === null || id.trim() === '')) return undefined;
  const states = ['failedCode', 'statusString'].map((name) => scalar(firstOf(member, name)));
  return [eventType?.trim().toLowerCase() ?? null, ...ids, ...states];
}

/** Lists and objects are no ids, and may be nested deeper than can be written down. */
const scalar = (value: unknown): string | null =>
  typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? String(value) : null;
