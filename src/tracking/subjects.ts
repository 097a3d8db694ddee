import type { TrackedSend } from '../store/tracking-store.ts';
import { outgoingIn } from './batch.ts';
import {
  findQuoted,
  findRecipients,
  isOutgoing,
  isReceived,
  type MatchingStore,
  matchSends,
  type ParsedEvent,
  type ParsedOutgoing,
} from './matching.ts';
import { type TellServices, type Told, tell } from './tell.ts';
import type { Telling } from './telling.ts';

/** The messages and the people that events are about. */
export interface Subjects {
  matches: ReadonlyMap<ParsedOutgoing, TrackedSend>;
  /** The message that an answer quotes. */
  quoted: ReadonlyMap<ParsedEvent, TrackedSend>;
  /** The numbers of customers who name none. */
  recipients: ReadonlyMap<ParsedEvent, string>;
}

export async function findSubjects(events: readonly ParsedEvent[], store: MatchingStore): Promise<Subjects> {
  const matches = await matchSends(store, events.filter(isOutgoing));
  const quoted = await findQuoted(store, events.filter(isReceived));
  return { matches, quoted, recipients: await findRecipients(store, events, quoted) };
}

/** What callers are told of events, apart from states of messages. */
export async function tellAll(
  events: readonly ParsedEvent[],
  subjects: Subjects,
  { store, telling }: { store: TellServices['store']; telling?: Telling | undefined },
): Promise<Told> {
  if (!telling) return { facts: [], waits: new Set(), settled: new Set(), routed: [] };
  const outgoing = outgoingIn(events, subjects.matches);
  return tell(events, { ...subjects, outgoing }, { store, telling });
}
