import { type Caller, type Callers, eventsFor, mayUse } from '../callers.ts';
import type { EventSubscription } from '../store/event-store.ts';
import type { EventType } from './event-types.ts';

export interface EventTopic {
  type: string;
  /** Empty if the event concerns no connection, such as the state of a webhook endpoint. */
  connectionId: string;
}

/** A caller that subscribes to events. */
export interface Subscriber {
  id: string;
  /** Which customers' messages it gets. */
  inbound: 'own' | 'unrouted' | 'all';
}

/** Decides which caller gets which events, by the current callers file. */
export interface EventAudience {
  /** True if any caller subscribes to events. */
  hasSubscribers(): boolean;
  /** Returns the same array until the file changes. */
  subscriptions(): readonly EventSubscription[];
  /** Returns the callers that list this type and may use the connection. */
  subscribers(topic: { type: EventType; connectionId: string }): readonly Subscriber[];
  isSubscribed(caller: string, topic: EventTopic): boolean;
}

interface Entry extends Subscriber {
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
  const covers = ({ types, caller }: Entry, { type, connectionId }: EventTopic): boolean =>
    types.some((each) => each === type) && (connectionId === '' || mayUse(caller, connectionId));

  return {
    hasSubscribers: () => current().size > 0,
    subscriptions: () => {
      current();
      return subscriptions;
    },
    subscribers: (topic) => [...current().values()].filter((entry) => covers(entry, topic)),
    isSubscribed: (caller, topic) => {
      const entry = current().get(caller);
      return entry !== undefined && covers(entry, topic);
    },
  };
}

const entryOf = (caller: Caller): Entry => ({
  id: caller.id,
  inbound: caller.inbound ?? 'own',
  caller,
  types: eventsFor(caller),
});
