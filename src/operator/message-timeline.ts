import { wasScheduled } from '../delivery/idempotency.ts';
import { storedOutcome } from '../delivery/outcome.ts';
import type { AttemptMade, TimelineEntry } from '../schemas/operator-message.ts';
import type { MessageHistory } from '../store/operator-message-store.ts';

interface Step {
  event: TimelineEntry['event'];
  /** Wall clock, ms. */
  at: number;
  detail?: string | undefined;
}

const evidenceWords = {
  answer: undefined,
  'local-id': 'found by an id of its own',
  content: 'found by its content',
} as const;

/** Returns the known steps of a message, in chronological order. Contains codes, ids and fixed words, but no content. */
export function timelineOf(history: MessageHistory): TimelineEntry[] {
  const { message, lookedAt, resend } = history;
  const { createdAt, resendOf, sendAt } = message;
  const steps: Step[] = [
    { event: 'recorded', at: Date.parse(createdAt), detail: resendOf && `sends ${resendOf} again` },
    ...(wasScheduled(message)
      ? [{ event: 'scheduled' as const, at: Date.parse(createdAt), detail: `for ${sendAt}` }]
      : []),
    ...attemptSteps(history),
    ...outcomeSteps(message),
    ...deliverySteps(message),
    ...(lookedAt === undefined ? [] : [{ event: 'looked' as const, at: lookedAt }]),
    ...(resend ? [{ event: 'resent' as const, at: resend.createdAt, detail: resend.id }] : []),
  ];
  // Steps with the same time keep the order in which they can have happened.
  return steps
    .toSorted((a, b) => a.at - b.at)
    .map(({ event, at, detail }) => ({
      at: new Date(at).toISOString(),
      event,
      ...(detail !== undefined && { detail }),
    }));
}

function attemptSteps(history: MessageHistory): Step[] {
  const ended = (attempt: number) =>
    history.past.flatMap(({ event, at, code, ...of }): Step[] =>
      of.attempt !== attempt || event === 'queued' || event === 'sending'
        ? []
        : [{ event, at, detail: code === event ? undefined : code }],
    );
  return [...startsOf(history)].flatMap(([attempt, at]): Step[] => [
    { event: 'sending', at, detail: `attempt ${attempt}` },
    ...ended(attempt),
  ]);
}

/** Returns the known attempts, oldest first. `shown` masks numbers in texts of the upstream. */
export function attemptsOf(history: MessageHistory, shown: (words: string) => string): AttemptMade[] {
  const { message, past } = history;
  const { attempts, failure, status } = message;
  const last = ['accepted', 'queued', 'sending'].includes(status) ? undefined : failure;
  return [...startsOf(history)].map(([attempt, at]) => {
    const failed = past.find((each) => each.attempt === attempt) ?? (attempt === attempts ? last : undefined);
    const { code, detail } = failed ?? {};
    return {
      attempt,
      at: new Date(at).toISOString(),
      ...(code !== undefined && { code }),
      ...(detail !== undefined && { detail: shown(detail) }),
    };
  });
}

/** Returns when each attempt was claimed, by its number. */
function startsOf({ message: { attempts, sentAt }, past }: MessageHistory): Map<number, number> {
  const starts = new Map<number, number>();
  // Earlier versions did not record when an attempt began.
  for (const { attempt, sentAt: began, at } of past) starts.set(attempt, began ?? at);
  if (attempts > 0 && sentAt !== undefined && !starts.has(attempts)) starts.set(attempts, Date.parse(sentAt));
  return new Map([...starts].toSorted(([a], [b]) => a - b));
}

function outcomeSteps(message: MessageHistory['message']): Step[] {
  const { status, updatedAt, failure } = message;
  if (status === 'queued' || status === 'sending') return [];
  const outcome = storedOutcome(message);
  const code = failure?.code === status ? undefined : failure?.code;
  const detail = outcome?.outcome === 'accepted' ? evidenceWords[outcome.evidence] : code;
  return [{ event: status, at: Date.parse(updatedAt), detail }];
}

function deliverySteps({ delivery }: MessageHistory['message']): Step[] {
  if (!delivery) return [];
  const { sentAt, deliveredAt, readAt, repliedAt, failedAt, failure } = delivery;
  const known: [event: Step['event'], at: number | undefined, detail?: string | undefined][] = [
    ['sent', sentAt],
    ['failed', failedAt, failure?.code],
    ['delivered', deliveredAt],
    ['read', readAt],
    ['replied', repliedAt],
  ];
  return known.flatMap(([event, at, detail]) => (at === undefined ? [] : [{ event, at, detail }]));
}
