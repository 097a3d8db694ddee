import type { Lane, PermitRequest, RouteGroup } from '../rate-limit/types.ts';

/** The caller that a call waits for its permit on behalf of, and the call's urgency. */
export type CallerPriority = Pick<PermitRequest, 'caller' | 'lane' | 'weight'>;

/** WATI counts some of its routes in groups of their own (docs/reference/upstream.md, "WATI's own limits"). */
const groups: Readonly<Record<string, RouteGroup>> = {
  getContacts: 'contacts',
  addContact: 'contacts',
  getMessages: 'messages',
  sendTemplateMessages: 'templates',
  sendTemplateMessage: 'templates',
};

/** Priority of the service's own calls for which a client may be waiting: health checks, diagnosis. */
export const systemPriority: CallerPriority = { caller: 'wati-bff', lane: 'interactive' };

/** Priority of the service's own calls for which no client waits: behind all requests with a waiting client. */
export const backgroundPriority: CallerPriority = { caller: 'wati-bff', lane: 'broadcast' };

/** The permit request for a call, without its deadline. */
export function permitRequestOf(
  operation: string,
  priority: CallerPriority = systemPriority,
): CallerPriority & { group?: RouteGroup } {
  const group = groups[operation];
  return { ...priority, ...(group !== undefined && { group }) };
}

/** The name of the queue in which a call waits for its permit. */
export const queueKey = ({ lane, caller }: CallerPriority = systemPriority): `${Lane} ${string}` => `${lane} ${caller}`;

/** A load that several readers wait for, and whose answer is cached. */
export interface CacheEntry {
  loadedAt: number;
  /** `queueKey` of the permit that the load waits for. */
  queue: string;
  /** The load is in flight or answered. Before that, another caller may get its own permit sooner. */
  isDispatched: boolean;
}

/** Whether an entry is fresh enough, and using it does not mean waiting in another caller's queue. */
export const isUsable = (entry: CacheEntry, maxAgeMs: number, priority: CallerPriority | undefined): boolean =>
  performance.now() - entry.loadedAt <= maxAgeMs && (entry.isDispatched || entry.queue === queueKey(priority));

/**
 * The part of the deadline that is reserved for the call itself. A call whose permit is granted at the very end would only be
 * aborted, and its permit wasted.
 */
export const reservedForCallMs = (timeoutMs: number): number => Math.min(5_000, timeoutMs / 2);

/** Time left until the deadline (performance.now()), ms; undefined: the service's own time-out applies. */
export const remainingMs = (deadline: number | undefined): number | undefined =>
  deadline === undefined ? undefined : Math.max(1, deadline - performance.now());
