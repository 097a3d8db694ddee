import { setTimeout as sleep } from 'node:timers/promises';
import { distinct, doubles } from '../crash/event-oracle.ts';
import { type Seen, wholeFeed } from '../crash/event-readers.ts';
import type { EventReceiver } from '../crash/event-receiver.ts';
import type { StoredMessage } from './oracle.ts';
import { callerKey, type ServiceProcess } from './process.ts';

/** Requests of an endpoint that are under way at once: so many may come again behind a kill. */
const inFlight = 8;

/** The feed, once its receiver has all of it; after half a minute as it is. */
export async function everyEvent(service: ServiceProcess, receiver: EventReceiver): Promise<Seen[]> {
  const until = performance.now() + 30_000;
  for (;;) {
    const feed = await wholeFeed(await service.url(), callerKey);
    if (distinct(receiver.seen) >= feed.length || performance.now() > until) return feed;
    await sleep(200);
  }
}

const ranks = ['sent', 'failed', 'delivered', 'read'];
const outcomes = ['accepted', 'rejected', 'not_sent', 'unknown'];

interface EventLedgers {
  stored: readonly StoredMessage[];
  feed: readonly Seen[];
  receiver: EventReceiver;
  kills: number;
}

/** Two more ledgers: what the feed tells of each message must end where its record stands, and the receiver must have had all of it. */
export function eventViolations({ stored, feed, receiver, kills }: EventLedgers): string[] {
  const byMessage = Map.groupBy(feed, ({ fact }) => fact.split(' ')[1] ?? '');
  return [
    ...stored.flatMap((message) => messageViolations(message, byMessage.get(message.id) ?? [])),
    ...receiverViolations(feed, receiver, kills),
  ];
}

function messageViolations({ id, status, delivery }: StoredMessage, told: readonly Seen[]): string[] {
  const words = told.map(({ fact, to }) => ({ word: fact.slice('message.'.length).split(' ')[0] ?? '', to }));
  const outcome = words.flatMap(({ word, to = '' }) =>
    word === 'resolved' ? [to] : outcomes.includes(word) ? [word] : [],
  );
  const states = words.flatMap(({ word }) => (ranks.includes(word) ? [word] : []));
  const wrong = [
    new Set(told.map(({ fact }) => fact)).size !== told.length,
    outcome.at(-1) !== status,
    states.at(-1) !== delivery,
    states.some((state, n) => ranks.indexOf(state) <= ranks.indexOf(states[n - 1] ?? '')),
  ];
  if (!wrong.includes(true)) return [];
  return [`${id} is ${status} and ${delivery ?? 'none'}; events said ${words.map(({ word }) => word).join(', ')}`];
}

function receiverViolations(feed: readonly Seen[], { seen, faults }: EventReceiver, kills: number): string[] {
  const received = new Map(seen.map((event) => [event.id, event]));
  const kept = new Set(feed.map(({ id }) => id));
  const doubled = doubles(seen);
  return [
    ...faults.map((fault) => `a webhook: ${fault}`),
    ...feed.flatMap(({ id, fact, digest }) =>
      received.get(id)?.digest === digest ? [] : [`${fact} was not received as it is in the feed`],
    ),
    ...seen.filter(({ id }) => !kept.has(id)).map(({ fact }) => `${fact} was received, and is not in the feed`),
    ...(doubled > inFlight * kills ? [`${doubled} webhooks came again after ${kills} kills`] : []),
  ];
}
