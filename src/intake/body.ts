import { eventTypeOf, isEvent } from '../tracking/event-names.ts';

/** One event of a webhook body, and its JSON text. */
export interface BodyMember {
  readonly value: Readonly<Record<string, unknown>>;
  readonly text: string;
}

export interface WebhookBody {
  readonly members: readonly BodyMember[];
  /** How many members of the body were dropped: they are no events, or beyond `membersMax`. */
  readonly ignored: number;
}

/** A longer array is a mistake of the sender, and recording it would take too long a commit. */
const membersMax = 1_000;

/**
 * Returns the events of a webhook body: one object, an array, or either wrapped in `messages` or `data`. Undefined: the body is
 * not JSON, or contains no event.
 */
export function readWebhookBody(bytes: Buffer): WebhookBody | undefined {
  const text = bytes
    .toString('utf8')
    .replace(/^\uFEFF/, '')
    .trim();
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof parsed !== 'object' || parsed === null) return undefined;
  const events = unwrapped(parsed);
  const members = events.slice(0, membersMax).flatMap((value): BodyMember[] => {
    if (!isEvent(value)) return [];
    const own = value === parsed ? text : textOf(value);
    return own === undefined ? [] : [{ value, text: own }];
  });
  return { members, ignored: events.length - members.length };
}

/** Unwraps what an intermediary may have put around events. An object with `eventType` is an event, even if it has a field `data`. */
function unwrapped(value: unknown): readonly unknown[] {
  if (Array.isArray(value)) return value.flatMap((each) => (Array.isArray(each) ? each : within(each)));
  return within(value);
}

function within(value: unknown): readonly unknown[] {
  if (!isEvent(value) || typeof eventTypeOf(value) === 'string') return [value];
  if (Array.isArray(value.messages)) return value.messages;
  if (Array.isArray(value.data)) return value.data;
  return typeof value.data === 'object' && value.data !== null ? [value.data] : [value];
}

/** The JSON text of a value. Undefined: the value is nested too deeply for JSON.stringify. */
function textOf(value: object): string | undefined {
  try {
    return JSON.stringify(value);
  } catch {
    return undefined;
  }
}
