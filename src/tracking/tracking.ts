import type { StoredMessage } from '../store/message-store.ts';
import type { TrackingStore } from '../store/tracking-store.ts';
import { type Applier, type ApplierServices, createApplier, reportResolved } from './applier.ts';
import { contactNamed } from './contact.ts';

/** Follows messages after WATI took them: from recorded webhooks, and from the deliveries themselves. */
export interface Tracking extends Applier {
  /** A message got its outcome. If WATI refused it because the window was closed, that is recorded for the conversation. */
  ended(message: StoredMessage): void;
  /** A message's attempt ended with another outcome after webhooks had proved that it was sent. */
  proved(message: StoredMessage, status: StoredMessage['status']): void;
}

export interface TrackingServices extends Omit<ApplierServices, 'store'> {
  store: ApplierServices['store'] & Pick<TrackingStore, 'noteConversations'>;
}

export function createTracking(services: TrackingServices): Tracking {
  const { store, metrics, logger, onFault } = services;
  return {
    ...createApplier(services),
    ended: ({ status, failure, to, connectionId, updatedAt }) => {
      if (status !== 'rejected' || failure?.code !== 'window-closed' || to === undefined) return;
      const closedAt = Date.parse(updatedAt);
      store.noteConversations([{ connectionId, contact: contactNamed(to), closedAt }]).catch(onFault);
    },
    proved: ({ id, caller }, status) =>
      reportResolved({ messageId: id, callerId: caller, was: status }, { metrics, logger }),
  };
}
