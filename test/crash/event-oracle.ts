import { setTimeout as sleep } from 'node:timers/promises';
import { percentile } from '../../bench/open-load.ts';
import type { Reading, Seen } from './event-readers.ts';
import type { EventReceiver } from './event-receiver.ts';
import type { EventSource } from './event-source.ts';

interface Ledgers {
  source: EventSource;
  /** All events that are kept, in order. */
  feed: readonly Seen[];
  /** Readers that must have each event once, in that order. */
  readings: Readonly<Record<string, Reading>>;
  /** Receivers that must have each event at least once. */
  receivers: readonly EventReceiver[];
}

/** Returns all differences between posted webhooks, the feed, and the events of readers and receivers, as sentences. */
export function eventFaults({ source, feed, readings, receivers }: Ledgers): string[] {
  const taken = source.events.filter(({ answers }) => answers.includes(200)).map(({ fact }) => fact);
  const posted = new Set(source.events.map(({ fact }) => fact));
  const facts = new Set(feed.map(({ fact }) => fact));
  const byId = new Map(feed.map((event) => [event.id, event]));
  const got = Object.entries(readings);
  const all = [feed, ...got.map(([, { seen }]) => seen), ...receivers.map(({ seen }) => seen)].flat();
  return [
    ...lines('was answered 200 and is no event', missing(taken, facts)),
    ...lines('is an event that nobody told of', missing([...facts], posted)),
    ...lines('stands in the feed twice', doubled(feed)),
    ...lines('is one fact with two ids', withTwoIds(all)),
    ...lines(
      'has other bytes than in the feed',
      all.filter(({ id, digest }) => byId.get(id)?.digest !== digest).map(name),
    ),
    ...got.flatMap(([reader, { seen, faults }]) => [
      ...lines(`was not seen by ${reader}`, missing(feed.map(name), new Set(seen.map(name)))),
      ...lines(`was seen twice by ${reader}`, doubled(seen)),
      ...lines(`was seen by ${reader} in another order`, disorder(seen, feed)),
      ...lines(`to ${reader}`, faults),
    ]),
    ...receivers.flatMap(({ seen, faults, refused }) => [
      ...lines('was not received', missing(feed.map(name), new Set(seen.map(name)))),
      ...lines(
        'was not refused, and was received behind a later one of its contact',
        lateOfContact(
          seen.filter(({ id }) => !refused.has(id)),
          feed,
        ),
      ),
      ...lines('of a webhook', faults),
    ]),
  ];
}

interface Waiting {
  readings: Readonly<Record<string, Reading>>;
  receivers: readonly EventReceiver[];
  /** It may be killed meanwhile. */
  isOver?: () => boolean;
}

/** If no event arrives for this long, the present state is judged, ms. */
const standstillMs = 60_000;

/** Resolves when every reader and receiver has this many events. */
export async function caughtUp(total: number, { readings, receivers, isOver = () => false }: Waiting): Promise<void> {
  const counts = () => [
    ...Object.values(readings).map(({ seen }) => seen.length),
    ...receivers.map(({ seen }) => distinct(seen)),
  ];
  let [sum, until] = [0, performance.now() + standstillMs];
  for (let all = counts(); all.some((count) => count < total); all = counts()) {
    const now = all.reduce((before, count) => before + count, 0);
    if (now > sum) [sum, until] = [now, performance.now() + standstillMs];
    if (isOver() || performance.now() > until) return;
    await sleep(50);
  }
}

export const distinct = (seen: readonly Seen[]): number => new Set(seen.map(({ id }) => id)).size;

/** Counts the repeated deliveries of events. */
export const doubles = (seen: readonly Seen[]): number => seen.length - distinct(seen);

/** Returns the time from the first post of each webhook to its first event, for webhooks that were posted in this period. */
export function waits(
  { events }: EventSource,
  seen: readonly Seen[],
  { from = 0, to = Number.POSITIVE_INFINITY } = {},
) {
  const at = new Map(events.map(({ fact, postedMs }) => [fact, postedMs]));
  return [...firsts(seen).values()].flatMap(({ fact, atMs }) => {
    const postedMs = at.get(fact) ?? Number.NaN;
    return postedMs >= from && postedMs < to ? [atMs - postedMs] : [];
  });
}

/** `p50 12 ms, p99 40 ms` */
export const quantiles = (ms: readonly number[]): string =>
  `p50 ${percentile(ms, 0.5).toFixed(0)} ms, p99 ${percentile(ms, 0.99).toFixed(0)} ms`;

export const delays = (source: EventSource, seen: readonly Seen[]): string => quantiles(waits(source, seen));

const name = ({ fact, id }: Seen) => `${fact} (${id})`;

/** Not a thousand of them. */
function lines(what: string, which: readonly string[]): string[] {
  const shown = which.slice(0, 5).map((each) => `${each} ${what}`);
  return which.length > 5 ? [...shown, `and ${which.length - 5} more`] : shown;
}

const missing = (wanted: readonly string[], there: ReadonlySet<string>) => wanted.filter((each) => !there.has(each));

const doubled = (seen: readonly Seen[]) =>
  [...Map.groupBy(seen, ({ fact }) => fact)].filter(([, some]) => some.length > 1).map(([fact]) => fact);

const withTwoIds = (seen: readonly Seen[]) =>
  [...Map.groupBy(seen, ({ fact }) => fact)]
    .filter(([, some]) => new Set(some.map(({ id }) => id)).size > 1)
    .map(([fact]) => fact);

function firsts(seen: readonly Seen[]): Map<string, Seen> {
  const first = new Map<string, Seen>();
  for (const each of seen) if (!first.has(each.id)) first.set(each.id, each);
  return first;
}

const places = (feed: readonly Seen[]) => new Map(feed.map(({ id }, place) => [id, place]));

function disorder(seen: readonly Seen[], feed: readonly Seen[]): string[] {
  const place = places(feed);
  const at = ({ id }: Seen) => place.get(id) ?? -1;
  return seen.flatMap((each, n) => {
    const before = seen[n - 1];
    return before && at(before) > at(each) ? [name(each)] : [];
  });
}

const lateOfContact = (seen: readonly Seen[], feed: readonly Seen[]) =>
  [...Map.groupBy(firsts(seen).values(), ({ contact }) => contact).values()].flatMap((some) => disorder(some, feed));
