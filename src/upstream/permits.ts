import type { Lane, PermitRequest, RouteGroup } from '../rate-limit/types.ts';

/** For whom a call waits for its permit, and how urgent it is. */
export type CallerPriority = Pick<PermitRequest, 'caller' | 'lane' | 'weight'>;

/** WATI counts some of its routes in groups of their own (docs/reference/upstream.md, "WATI's own limits"). */
const groups: Readonly<Record<string, RouteGroup>> = {
  getContacts: 'contacts',
  addContact: 'contacts',
  getMessages: 'messages',
  sendTemplateMessages: 'templates',
  sendTemplateMessage: 'templates',
};

/** Priority of calls that the service makes for itself, and that a client may wait for: health, diagnosis. */
export const systemPriority: CallerPriority = { caller: 'wati-bff', lane: 'interactive' };

/** The same where no client waits: behind all requests with a waiting client. */
export const backgroundPriority: CallerPriority = { caller: 'wati-bff', lane: 'broadcast' };

/** What the rate limiter needs to know of a call, but for its deadline. */
export function permitRequestOf(
  operation: string,
  priority: CallerPriority = systemPriority,
): CallerPriority & { group?: RouteGroup } {
  const group = groups[operation];
  return { ...priority, ...(group !== undefined && { group }) };
}

/** Names the queue in which a call waits. */
export const queueKey = ({ lane, caller }: CallerPriority = systemPriority): `${Lane} ${string}` => `${lane} ${caller}`;

/** A load that several readers wait for, and whose answer is kept. */
export interface CacheEntry {
  loadedAt: number;
  /** `queueKey` of the permit that it waits for. */
  queue: string;
  /** It is in flight or answered. Until then another caller's own permit may come sooner. */
  isDispatched: boolean;
}

/** Whether an entry is fresh enough, and joining it does not mean waiting in another caller's queue. */
export const isUsable = (entry: CacheEntry, maxAgeMs: number, priority: CallerPriority | undefined): boolean =>
  performance.now() - entry.loadedAt <= maxAgeMs && (entry.isDispatched || entry.queue === queueKey(priority));
