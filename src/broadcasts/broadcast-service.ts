import { keyInProgress, keyReused } from '../delivery/idempotency.ts';
import { recordedChannel } from '../delivery/new-message.ts';
import { toJson } from '../delivery/outcome.ts';
import type { ReconcileWorker } from '../delivery/reconcile/reconcile-worker.ts';
import type { StoppedSending } from '../holds/holds.ts';
import { assertNotStopped } from '../holds/sending-stop.ts';
import { Problem } from '../problem.ts';
import type { TemplatePost } from '../schemas/message-posts.ts';
import type { BroadcastStore, StoredBroadcast } from '../store/broadcast-store.ts';
import { StoreError } from '../store/errors.ts';
import type { MessageStore, NewMessage } from '../store/message-store.ts';
import { QuotaExceededError, type QuotaStore } from '../store/quota-store.ts';
import type { ReconcileStore } from '../store/reconcile-store.ts';
import { throwStoreUnreadable, toInsertProblem } from '../store/store-problems.ts';
import type { TrackingStore } from '../store/tracking-store.ts';
import { reconcileProgressOf } from './reconcile-progress.ts';
import type {
  BroadcastDraft,
  BroadcastRecipient,
  BroadcastRequester,
  Broadcasts,
  KnownBroadcast,
  Started,
} from './types.ts';

/** Rows per commit, which blocks the event loop meanwhile. */
const batchMax = 200;

/** All recipients together must fit into the caller's quota. */
type Records = BroadcastStore &
  Pick<QuotaStore, 'quotaLeft'> &
  Omit<ReconcileStore, 'takeDueLookups'> &
  Pick<MessageStore, 'sameContent'> &
  Pick<TrackingStore, 'deliveryCounts'>;

interface BroadcastsServices {
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

  async findReplay({ caller, route, key }: BroadcastRequester, fingerprint: () => string | Promise<string>) {
    const { store } = this.#services;
    const known = await store.findBroadcastByKey(caller, route, key).catch(throwStoreUnreadable);
    return known && replay(known, store.sameContent(known, await fingerprint()));
  }

  async start(...[requester, draft, fill]: Parameters<Broadcasts['start']>): Promise<Started> {
    const { store, stopped, newId, channel, onStart, onChange } = this.#services;
    const { caller, quota, ...idempotency } = requester;
    const left = quota && (await store.quotaLeft(caller, quota).catch(throwStoreUnreadable));
    const id = newId();
    const { template, broadcastName, connection } = draft;
    const routing = recordedChannel(draft.channel, channel);
    assertNotStopped(stopped, { caller, connection });
    const opened = await store
      .openBroadcast({
        id,
        caller,
        template,
        name: broadcastName,
        connectionId: connection,
        idempotency,
        ...(routing.channel !== undefined && { channel: routing.channel }),
      })
      .catch(notStarted);
    // Another request with this key came first, and its content is not known yet.
    if ('existing' in opened) throw keyInProgress(broadcastLocation(opened.existing));
    try {
      let total = 0;
      const fingerprint = await fill(async (recipients) => {
        total += recipients.length;
        // Checked early, so that a hopeless import ends soon. Publishing checks again, and counts what the caller sent since.
        if (left && total > left.left) throw toInsertProblem(new QuotaExceededError(total, left));
        await this.#insert({ newId, id, caller, routing }, draft, recipients);
      });
      // Sending may have been stopped during a long import.
      assertNotStopped(stopped, { caller, connection });
      const broadcast = await this.#publish(requester, { id, fingerprint, total });
      onStart?.(broadcast);
      onChange();
      return { broadcast };
    } catch (error) {
      // If this fails as well, the sweep deletes the rows as soon as the store works.
      await store.discardBroadcast(id).catch(() => {});
      throw error;
    }
  }

  async #insert(fields: RecordFields, draft: BroadcastDraft, recipients: readonly BroadcastRecipient[]): Promise<void> {
    for (let from = 0; from < recipients.length; from += batchMax) {
      const messages = recipients.slice(from, from + batchMax).map((each) => toRecord(fields, draft, each));
      if (!(await this.#services.store.addRecipients(fields.id, messages).catch(notStarted))) throw ownershipLost();
    }
  }

  /** If the acknowledgement of the commit is lost, the idempotency key shows whether it was committed. */
  async #publish(
    { quota, ...requester }: BroadcastRequester,
    { id, fingerprint, total }: { id: string; fingerprint: string; total: number },
  ): Promise<StoredBroadcast> {
    const { store } = this.#services;
    const charge = quota && { caller: requester.caller, n: total, limits: quota };
    try {
      return (await store.publishBroadcast(id, fingerprint, charge)) ?? raise(ownershipLost());
    } catch (error) {
      if (!(error instanceof StoreError)) throw toInsertProblem(error);
      const published = await store
        .discardBroadcast(id)
        .then(() => store.findBroadcastByKey(requester.caller, requester.route, requester.key))
        .catch((cause) => raise(startInDoubt(cause)));
      return published?.id === id ? published : notStarted(error);
    }
  }

  async find(caller: string, id: string): Promise<KnownBroadcast> {
    const { store } = this.#services;
    const broadcast = await store.findBroadcast(caller, id).catch(throwStoreUnreadable);
    if (!broadcast) throw unknownBroadcast();
    const { rejected, unknown, accepted } = broadcast.counts;
    return {
      ...broadcast,
      ...(accepted > 0 && { delivery: await store.deliveryCounts(id).catch(throwStoreUnreadable) }),
      ...(rejected > 0 && { rejections: await store.countRejections(id).catch(throwStoreUnreadable) }),
      ...(unknown > 0 && { looks: await reconcileProgressOf(id, this.#services).catch(throwStoreUnreadable) }),
    };
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

  list(...[caller, page]: Parameters<Broadcasts['list']>): ReturnType<Broadcasts['list']> {
    return this.#services.store.listBroadcasts(caller, page).catch(throwStoreUnreadable);
  }

  async changeStatus(...[caller, id, to]: Parameters<Broadcasts['changeStatus']>): Promise<StoredBroadcast> {
    const { store, onChange } = this.#services;
    const broadcast = await store.changeBroadcastStatus(caller, id, { to }).catch(throwStoreUnreadable);
    if (!broadcast) throw unknownBroadcast();
    if (broadcast.pausedBy === 'operator' && to !== 'paused') {
      throw new Problem('forbidden', 'an operator has paused it; only an operator lets it go on');
    }
    if (broadcast.status !== to) {
      throw new Problem('broadcast-over', `the broadcast is ${broadcast.status}; it cannot be changed any more`);
    }
    onChange();
    return broadcast;
  }
}

interface RecordFields {
  newId: () => string;
  /** Id of the broadcast. */
  id: string;
  caller: string;
  routing: ReturnType<typeof recordedChannel>;
}

/** The content of a recipient, stored like that of a template message, so that it is sent, reconciled and resent like any other. */
function toRecord(
  { newId, id: broadcastId, caller, routing }: RecordFields,
  { template, broadcastName, connection, asked }: BroadcastDraft,
  { to, reference, parameters }: BroadcastRecipient,
): NewMessage {
  const body: TemplatePost = {
    to,
    template,
    ...(parameters && { parameters }),
    broadcastName,
    ...(asked !== undefined && { channel: asked }),
  };
  const id = newId();
  return {
    id,
    caller,
    kind: 'template',
    to,
    connectionId: connection,
    template,
    localMessageId: id,
    content: toJson({ kind: 'template', body }),
    broadcastId,
    ...(reference !== undefined && { reference }),
    ...routing,
  };
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

/** While this process was suspended, others may have considered it dead and deleted its unfinished broadcast. */
const ownershipLost = () =>
  new Problem('store-unavailable', 'the broadcast could not be recorded in time, so nothing was sent', {
    outcome: 'not_sent',
    retryAfterS: 2,
  });

/** The commit is in doubt, so neither "recorded" nor "not sent" is certain; a repeat with the same key is safe. */
const startInDoubt = (cause: unknown) =>
  new Problem(
    'store-unavailable',
    'it is not known whether the broadcast was recorded; ask again with the same key, it is started once at most',
    { cause, outcome: 'unknown', retryAfterS: 2 },
  );

/** Nothing is sent before the broadcast is published, even if recipients are inserted. */
function notStarted(cause: unknown): never {
  throw toInsertProblem(cause);
}

function raise(problem: Problem): never {
  throw problem;
}
