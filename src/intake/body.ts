/** One event of a webhook body, and its JSON text. */
export interface BodyMember {
  readonly value: Readonly<Record<string, unknown>>;
  readonly text: string;
}

export interface WebhookBody {
  readonly members: readonly BodyMember[];
  /** A member that is no event, or exceeds the limit. */
  readonly ignored: number;
}

/** An array of more is a mistake, and one commit for all of it too long. */
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
    if (!isRecord(value)) return [];
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
  if (!isRecord(value) || typeof value.eventType === 'string') return [value];
  if (Array.isArray(value.messages)) return value.messages;
  if (Array.isArray(value.data)) return value.data;
  return isRecord(value.data) ? [value.data] : [value];
}

/** Undefined: it is nested more deeply than it could be written down. */
function textOf(value: object): string | undefined {
  try {
    return JSON.stringify(value);
  } catch {
    return undefined;
  }
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
