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

/** What happened to a message, in the order of time, as far as it is known. Codes, ids and fixed words, no content. */
export function timelineOf(history: MessageHistory): TimelineEntry[] {
  const { message, past, lookedAt, resend } = history;
  const { createdAt, resendOf } = message;
  const steps: Step[] = [
    { event: 'recorded', at: Date.parse(createdAt), detail: resendOf && `sends ${resendOf} again` },
    ...[...startsOf(history)].map(([attempt, at]): Step => ({ event: 'sending', at, detail: `attempt ${attempt}` })),
    ...past.flatMap(({ event, at, code }): Step[] =>
      event === 'queued' || event === 'sending' ? [] : [{ event, at, detail: code }],
    ),
    ...outcomeSteps(message),
    ...deliverySteps(message),
    ...(lookedAt === undefined ? [] : [{ event: 'looked' as const, at: lookedAt }]),
    ...(resend ? [{ event: 'resent' as const, at: resend.createdAt, detail: resend.id }] : []),
  ];
  // Steps of one moment keep the order in which they can have happened.
  return steps
    .toSorted((a, b) => a.at - b.at)
    .map(({ event, at, detail }) => ({
      at: new Date(at).toISOString(),
      event,
      ...(detail !== undefined && { detail }),
    }));
}

/** Each attempt that is known, oldest first. */
export function attemptsOf(history: MessageHistory): AttemptMade[] {
  const { message, past } = history;
  const { attempts, failure, status } = message;
  const hasFailed = failure !== undefined && !['accepted', 'queued', 'sending'].includes(status);
  return [...startsOf(history)].map(([attempt, at]) => {
    const code =
      past.find((each) => each.attempt === attempt)?.code ??
      (hasFailed && attempt === attempts ? failure.code : undefined);
    return { attempt, at: new Date(at).toISOString(), ...(code !== undefined && { code }) };
  });
}

/** When each attempt was claimed, by its number. */
function startsOf({ message: { attempts, sentAt }, past }: MessageHistory): Map<number, number> {
  const starts = new Map<number, number>();
  for (const { attempt, sentAt: began } of past) if (began !== undefined) starts.set(attempt, began);
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
