import { keyInProgress, keyReused } from '../delivery/idempotency.ts';
import { recordedChannel } from '../delivery/new-message.ts';
import type { ReconcileWorker } from '../delivery/reconcile/reconcile-worker.ts';
import type { StoppedSending } from '../holds/holds.ts';
import { assertNotStopped } from '../holds/sending-stop.ts';
import { Problem } from '../problem.ts';
import type { BroadcastStore, StoredBroadcast } from '../store/broadcast-store.ts';
import { StoreError } from '../store/errors.ts';
import type { MessageStore } from '../store/message-store.ts';
import { QuotaExceededError, type QuotaStore } from '../store/quota-store.ts';
import type { ReconcileStore } from '../store/reconcile-store.ts';
import type { ScheduleStore } from '../store/schedule-store.ts';
import { throwStoreUnreadable, toInsertProblem } from '../store/store-problems.ts';
import type { TrackingStore } from '../store/tracking-store.ts';
import { type RecordFields, toNewBroadcast, toRecord } from './broadcast-records.ts';
import { recipientsTogether } from './own-pace.ts';
import { durationS, expectedPerMinute, type PaceServices } from './pace.ts';
import { RecipientWriter } from './recipient-writer.ts';
import { reconcileProgressOf } from './reconcile-progress.ts';
import { nothingToResend, resendBroadcast } from './resend.ts';
import { notStarted, ownershipLost, raise, startInDoubt } from './start-problems.ts';
import { listByKey } from './started-by-key.ts';
import { assertChanged } from './status-change.ts';
import type {
  BroadcastDraft,
  BroadcastRecipient,
  BroadcastRequester,
  Broadcasts,
  KnownBroadcast,
  Outlook,
  Started,
} from './types.ts';

/** All recipients together must fit into the caller's quota. */
type Records = BroadcastStore &
  Pick<QuotaStore, 'quotaLeft'> &
  Omit<ReconcileStore, 'takeDueLookups'> &
  Pick<MessageStore, 'sameContent'> &
  Pick<ScheduleStore, 'wallNow'> &
  Pick<TrackingStore, 'deliveryCounts'>;

interface BroadcastsServices extends PaceServices {
  store: Records;
  stopped: StoppedSending;
  /** Channel of broadcasts that name none; absent: WATI's own default. */
  channel?: string | undefined;
  onChange: () => void;
  /** Called when all recipients are inserted and will be sent from now on. */
  onStart?: (broadcast: StoredBroadcast) => void;
  newId: () => string;
  reconcileWorker: Pick<ReconcileWorker, 'wake' | 'estimateMs'>;
  /** Wall clock, ms. */
  now: () => number;
}

export const createBroadcasts = (services: BroadcastsServices): Broadcasts => new BroadcastService(services);

class BroadcastService implements Broadcasts {
  readonly #services: BroadcastsServices;

  constructor(services: BroadcastsServices) {
    this.#services = services;
  }

  async findReplay({ caller, route, key, reference }: BroadcastRequester, fingerprint: () => string | Promise<string>) {
    const { store } = this.#services;
    const known = await store.findBroadcastByKey(caller, route, key).catch(throwStoreUnreadable);
    if (known === undefined) return undefined;
    // As for messages, a repeat without a reference is accepted.
    const isOther = reference !== undefined && known.reference !== undefined && reference !== known.reference;
    if (isOther) throw keyReused(broadcastLocation(known));
    return replay(known, store.sameContent(known, await fingerprint()));
  }

  async start(...[requester, draft, fill]: Parameters<Broadcasts['start']>): Promise<Started> {
    const { store, stopped, newId, channel, onStart, onChange } = this.#services;
    const { caller, quota } = requester;
    const left = quota && (await store.quotaLeft(caller, quota).catch(throwStoreUnreadable));
    const id = newId();
    const { connection } = draft;
    const routing = recordedChannel(draft.channel, channel);
    assertNotStopped(stopped, { caller, connection });
    const opened = await store.openBroadcast(toNewBroadcast({ id, routing }, requester, draft)).catch(notStarted);
    // Another request with this key came first, and its content is not known yet.
    if ('existing' in opened) throw keyInProgress(broadcastLocation(opened.existing));
    const writer = new RecipientWriter((batch) => this.#insert({ newId, id, caller, routing }, draft, batch));
    try {
      const { fingerprint, chosen } = await fill(async (recipients) => {
        // Checked early, so that a hopeless import ends soon. Publishing checks again, and counts what the caller sent since.
        const planned = writer.total + recipients.length;
        if (left && planned > left.left) throw toInsertProblem(new QuotaExceededError(planned, left));
        await writer.add(recipients);
      });
      const total = await writer.end();
      if (draft.resendOf !== undefined && total === 0) throw nothingToResend();
      const leftOut = chosen === undefined ? {} : { leftOut: Math.max(0, chosen - total) };
      // Sending may have been stopped during a long import.
      assertNotStopped(stopped, { caller, connection });
      const broadcast = await this.#publish(requester, { id, fingerprint, total, ...leftOut });
      onStart?.(broadcast);
      onChange();
      return { broadcast };
    } catch (error) {
      await writer.stop();
      // If this fails as well, the sweep deletes the rows as soon as the store works.
      await store.discardBroadcast(id).catch(() => {});
      // It deletes them now: until then, the messages that a resend was to repeat count as sent again.
      onChange();
      throw error;
    }
  }

  async #insert(
    fields: RecordFields,
    draft: BroadcastDraft,
    recipients: readonly BroadcastRecipient[],
  ): Promise<number> {
    const { store } = this.#services;
    const messages = recipients.map((each) => toRecord(fields, draft, each));
    const added =
      draft.resendOf === undefined
        ? (await store.addRecipients(fields.id, messages).catch(notStarted)) && messages.length
        : await store.addResends(fields.id, messages).catch(notStarted);
    if (added === undefined || added === false) throw ownershipLost();
    return added;
  }

  /** If the acknowledgement of the commit is lost, the idempotency key shows whether it was committed. */
  async #publish(
    { quota, ...requester }: BroadcastRequester,
    { id, fingerprint, total, leftOut }: { id: string; fingerprint: string; total: number; leftOut?: number },
  ): Promise<StoredBroadcast> {
    const { store } = this.#services;
    const terms = {
      ...(quota && { quota: { caller: requester.caller, n: total, limits: quota } }),
      ...(leftOut !== undefined && { leftOut }),
    };
    try {
      return (await store.publishBroadcast(id, fingerprint, terms)) ?? raise(ownershipLost());
    } catch (error) {
      if (!(error instanceof StoreError)) throw toInsertProblem(error);
      const published = await store
        .discardBroadcast(id)
        .then(() => store.findBroadcastByKey(requester.caller, requester.route, requester.key))
        .catch((cause) => raise(startInDoubt(cause)));
      return published?.id === id ? published : notStarted(error);
    }
  }

  resend(...[requester, resend]: Parameters<Broadcasts['resend']>): Promise<Started> {
    return resendBroadcast({ store: this.#services.store, start: this.start.bind(this) }, requester, resend);
  }

  async outlook(
    ...[{ caller, quota }, { recipients, perMinute, connection }]: Parameters<Broadcasts['outlook']>
  ): Promise<Outlook> {
    const left = quota && (await this.#services.store.quotaLeft(caller, quota).catch(throwStoreUnreadable));
    const planned = { connection, perMinute, isRunning: false };
    const expected = await expectedPerMinute(this.#services, planned).catch(throwStoreUnreadable);
    return {
      ...(left && { quotaLeft: left.left }),
      perMinute: Math.floor(expected),
      estimatedDurationS: durationS(recipients, expected),
    };
  }

  countOptedOut(caller: string, numbers: readonly string[]): Promise<number> {
    return this.#services.store.countOptedOut(caller, numbers).catch(throwStoreUnreadable);
  }

  async find(caller: string, id: string): Promise<KnownBroadcast> {
    const { store } = this.#services;
    const broadcast = await store.findBroadcast(caller, id).catch(throwStoreUnreadable);
    if (!broadcast) throw unknownBroadcast();
    const { rejected, unknown, accepted } = broadcast.counts;
    return {
      ...broadcast,
      ...(await this.#estimate(broadcast)),
      ...(accepted > 0 && { delivery: await store.deliveryCounts(id).catch(throwStoreUnreadable) }),
      ...(rejected > 0 && { rejections: await store.countRejections(id).catch(throwStoreUnreadable) }),
      ...(unknown > 0 && { looks: await reconcileProgressOf(id, this.#services).catch(throwStoreUnreadable) }),
    };
  }

  async #estimate(broadcast: StoredBroadcast): Promise<Pick<KnownBroadcast, 'estimatedEndAt' | 'batchSize'>> {
    const { status, counts, perMinute, connectionId: connection } = broadcast;
    const left = counts.queued + counts.sending;
    if (status !== 'running' || left === 0) return {};
    const running = { connection, perMinute, isRunning: true };
    const expected = await expectedPerMinute(this.#services, running).catch(throwStoreUnreadable);
    const endMs = this.#services.now() + durationS(left, expected) * 1_000;
    const limit = this.#services.batchSize(connection);
    const batchSize = perMinute === undefined ? limit : recipientsTogether(perMinute, limit);
    return { estimatedEndAt: new Date(endMs).toISOString(), batchSize };
  }

  async reconcileUnknown(caller: string, id: string, mayUse: (connection: string) => boolean): Promise<KnownBroadcast> {
    const { store, reconcileWorker } = this.#services;
    const broadcast = await store.findBroadcast(caller, id).catch(throwStoreUnreadable);
    if (!broadcast) throw unknownBroadcast();
    if (!mayUse(broadcast.connectionId)) {
      throw new Problem('forbidden', 'your key may not use the connection of this broadcast');
    }
    await store.requestReconciliation(id).catch(throwStoreUnreadable);
    reconcileWorker.wake();
    return this.find(caller, id);
  }

  wallNow = (): number => this.#services.store.wallNow();

  list(...[caller, page]: Parameters<Broadcasts['list']>): ReturnType<Broadcasts['list']> {
    return this.#services.store.listBroadcasts(caller, page).catch(throwStoreUnreadable);
  }

  listByKey(...[caller, key]: Parameters<Broadcasts['listByKey']>): Promise<StoredBroadcast[]> {
    return listByKey(this.#services.store, caller, key).catch(throwStoreUnreadable);
  }

  async changeStatus(...[caller, id, to]: Parameters<Broadcasts['changeStatus']>): Promise<StoredBroadcast> {
    const { store, onChange } = this.#services;
    const broadcast = await store.changeBroadcastStatus(caller, id, { to }).catch(throwStoreUnreadable);
    if (!broadcast) throw unknownBroadcast();
    if (broadcast.pausedBy === 'operator' && to !== 'paused') {
      throw new Problem('forbidden', 'an operator has paused it; only an operator lets it go on');
    }
    assertChanged(broadcast.status, to);
    onChange();
    return broadcast;
  }
}

/** Answers a repeated request from the record: throws for other content. */
function replay(known: StoredBroadcast, isSame: boolean | undefined): Started {
  // The content is unknown until all recipients are inserted.
  if (isSame === undefined) throw keyInProgress(broadcastLocation(known));
  if (!isSame) throw keyReused(broadcastLocation(known));
  return { broadcast: known, replayed: true };
}

export const broadcastLocation = ({ id }: Pick<StoredBroadcast, 'id'>): string => `/v1/broadcasts/${id}`;

const unknownBroadcast = () => new Problem('not-found', 'you have no broadcast with this id');
