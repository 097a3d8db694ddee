import { type Caller, type Callers, eventsFor, mayUse } from '../callers.ts';
import type { EventSubscription } from '../store/event-store.ts';
import type { EventType } from './event-types.ts';

export interface EventTopic {
  type: string;
  /** Empty: it concerns no connection, such as the state of a webhook endpoint. */
  connectionId: string;
}

/** A caller that gets events. */
export interface Listener {
  id: string;
  /** Which messages of customers it gets. */
  inbound: 'own' | 'unrouted' | 'all';
}

/** Which caller gets which events, by the current callers file. */
export interface EventAudience {
  /** Whether any caller has asked for events. */
  isAnybody(): boolean;
  /** The same array as long as the file is unchanged. */
  subscriptions(): readonly EventSubscription[];
  /** The callers that list this type and may use the connection. */
  listeners(topic: { type: EventType; connectionId: string }): readonly Listener[];
  mayHear(caller: string, topic: EventTopic): boolean;
}

interface Entry extends Listener {
  caller: Caller;
  types: readonly EventType[];
}

export function createEventAudience(callers: Pick<Callers, 'list'>): EventAudience {
  let listed: ReturnType<Callers['list']> | undefined;
  let entries: ReadonlyMap<string, Entry> = new Map();
  let subscriptions: readonly EventSubscription[] = [];

  /** Rebuilt when the file has changed. */
  const current = () => {
    const list = callers.list();
    if (list === listed) return entries;
    listed = list;
    const all = list.map(({ caller }) => entryOf(caller)).filter(({ types }) => types.length > 0);
    entries = new Map(all.map((entry) => [entry.id, entry]));
    subscriptions = all.map(({ id, types }) => ({ caller: id, types }));
    return entries;
  };
  const hears = ({ types, caller }: Entry, { type, connectionId }: EventTopic): boolean =>
    types.some((each) => each === type) && (connectionId === '' || mayUse(caller, connectionId));

  return {
    isAnybody: () => current().size > 0,
    subscriptions: () => {
      current();
      return subscriptions;
    },
    listeners: (topic) => [...current().values()].filter((entry) => hears(entry, topic)),
    mayHear: (caller, topic) => {
      const entry = current().get(caller);
      return entry !== undefined && hears(entry, topic);
    },
  };
}

const entryOf = (caller: Caller): Entry => ({
  id: caller.id,
  inbound: caller.inbound ?? 'own',
  caller,
  types: eventsFor(caller),
});
