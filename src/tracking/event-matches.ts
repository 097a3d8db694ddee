import type { TrackedSend } from '../store/tracking-store.ts';
import { outgoingIn } from './batch.ts';
import { type EventFacts, eventFacts, type FactServices } from './event-facts.ts';
import type { FactOptions } from './fact-options.ts';
import {
  findQuoted,
  findRecipients,
  isOutgoing,
  isReceived,
  type MatchingStore,
  matchSends,
  needsQuoted,
  type ParsedEvent,
  type ParsedOutgoing,
} from './matching.ts';

/** The messages and persons that a batch of webhooks is about. */
export interface EventMatches {
  matches: ReadonlyMap<ParsedOutgoing, TrackedSend>;
  /** The message of ours that a reply quotes. */
  quoted: ReadonlyMap<ParsedEvent, TrackedSend>;
  /** The numbers of customers whose webhooks have none. */
  recipients: ReadonlyMap<ParsedEvent, string>;
}

export async function findMatches(
  events: readonly ParsedEvent[],
  { store, factOptions }: { store: MatchingStore; factOptions?: FactOptions | undefined },
): Promise<EventMatches> {
  const matches = await matchSends(store, events.filter(isOutgoing));
  const hasSubscribers = ({ entry: { connectionId } }: ParsedEvent) =>
    factOptions !== undefined &&
    factOptions.audience.subscribers({ type: 'message.received', connectionId }).length > 0;
  const replies = events.filter(isReceived).filter((each) => needsQuoted(each) || hasSubscribers(each));
  const quoted = await findQuoted(store, replies);
  return { matches, quoted, recipients: await findRecipients(store, events, quoted) };
}

/** The facts that a batch makes for callers, apart from states of messages. */
export async function factsOfBatch(
  events: readonly ParsedEvent[],
  matched: EventMatches,
  { store, factOptions }: { store: FactServices['store']; factOptions?: FactOptions | undefined },
): Promise<EventFacts> {
  if (!factOptions) return { facts: [], waits: new Set(), settled: new Set(), routed: [] };
  const outgoing = outgoingIn(events, matched.matches);
  return eventFacts(events, { ...matched, outgoing }, { store, factOptions });
}
