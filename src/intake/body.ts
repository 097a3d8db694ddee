import { eventTypeOf, isEvent } from '../tracking/event-names.ts';

/** One event of a webhook body, and its JSON text. */
export interface BodyMember {
  readonly value: Readonly<Record<string, unknown>>;
  readonly text: string;
}

export interface WebhookBody {
  readonly members: readonly BodyMember[];
  /** How many members are no events, or too many. */
  readonly ignored: number;
}

/** A longer array is a mistake, and would make a commit too long. */
const membersMax = 1_000;

/**
 * The events in a webhook body: one object, an array of them, or either wrapped in `messages` or `data`. Undefined: the body is
 * not JSON, or holds no events.
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

/** An intermediary may put an array or a wrapper around events; an event has an `eventType`, and may have `data` of its own. */
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

/** Undefined: it is nested too deeply to be written as JSON. */
function textOf(value: object): string | undefined {
  try {
    return JSON.stringify(value);
  } catch {
    return undefined;
  }
}
