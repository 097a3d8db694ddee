import { channelOf } from '../delivery/channel-of.ts';
import { inProgress, mismatch } from '../delivery/idempotency.ts';
import { toJson } from '../delivery/outcome.ts';
import type { Looker } from '../delivery/reconcile/reconcile-worker.ts';
import type { StoppedSending } from '../holds/holds.ts';
import { assertMaySend } from '../holds/sending-stop.ts';
import { Problem } from '../problem.ts';
import type { TemplatePost } from '../schemas/message.ts';
import type { BroadcastStore, StoredBroadcast } from '../store/broadcast-port.ts';
import type { LookStore } from '../store/look-port.ts';
import { type NewSend, type SendStore, StoreError } from '../store/port.ts';
import { type QuotaLimits, QuotaSpent, type QuotaStore } from '../store/quota-port.ts';
import { asUnrecorded, unreadable } from '../store-problems.ts';
import { type Looks, looksOf } from './reconcile-progress.ts';

/** Who starts a broadcast, under which key: always under one (contract 4). */
export interface BroadcastAsker {
  caller: string;
  route: string;
  key: string;
  /** How many messages the caller may have recorded; absent: it has no quota. */
  quota?: QuotaLimits;
}

export interface BroadcastDraft {
  template: string;
  broadcastName: string;
  connection: string;
  /** Which it goes through. */
  channel?: string | undefined;
  /** The same, if the request named it: it is part of what each of its messages is. */
  asked?: string | undefined;
}

export interface BroadcastRecipient {
  to: string;
  parameters?: Readonly<Record<string, string>>;
}

/** Takes recipients as they are found valid; resolves when more may come. */
export type AddRecipients = (recipients: readonly BroadcastRecipient[]) => Promise<void>;

/** With the reasons of those that were rejected, and how far the looks for the unknown ones are, where they were asked for. */
export type KnownBroadcast = StoredBroadcast & {
  rejections?: Readonly<Record<string, number>>;
  looks?: Looks;
};

export interface Started {
  broadcast: KnownBroadcast;
  /** Answered from the record of an earlier request with the same key. */
  replayed?: true;
}

/** Broadcasts of our own: each recipient is a message like any other, in the lane of the broadcasts. */
export interface Broadcasts {
  /** The earlier broadcast under this key. Throws `idempotency-mismatch` or `idempotency-in-progress`. */
  repeated(asker: BroadcastAsker, fingerprint: () => string | Promise<string>): Promise<Started | undefined>;
  /**
   * Records all recipients that `fill` adds, and lets them go when it resolves with the fingerprint of the request. Where it
   * throws, nothing is left behind and nothing was sent.
   */
  start(asker: BroadcastAsker, draft: BroadcastDraft, fill: (add: AddRecipients) => Promise<string>): Promise<Started>;
  find(caller: string, id: string): Promise<KnownBroadcast>;
  /** Looks for all its unknown recipients, from now on, one after another. Throws `not-found`. */
  lookForUnknown(caller: string, id: string, mayUse: (connection: string) => boolean): Promise<KnownBroadcast>;
  list(caller: string, page: { limit: number; cursor?: string }): ReturnType<BroadcastStore['listBroadcasts']>;
  /** Throws `not-found`, and `broadcast-over` where it has come to its end. */
  steer(caller: string, id: string, to: 'running' | 'paused' | 'cancelled'): Promise<StoredBroadcast>;
}

/** Rows of one commit: it holds up the event loop for as long as it takes. */
const batchMax = 200;

/** What is recorded must fit into the quota of its caller as a whole. */
type Records = BroadcastStore &
  Pick<QuotaStore, 'quotaLeft'> &
  Omit<LookStore, 'dueForReconcile'> &
  Pick<SendStore, 'sameContent'>;

interface BroadcastsServices {
  store: Records;
  stopped: StoppedSending;
  /** Of broadcasts that name none; absent: WATI's own default. */
  channel?: string | undefined;
  onChange: () => void;
  /** All recipients are recorded, and go out from now on. */
  onStart?: (broadcast: StoredBroadcast) => void;
  newId: () => string;
  looker: Pick<Looker, 'nudge' | 'estimateMs'>;
  /** Wall clock, ms. */
  now: () => number;
}

export function createBroadcasts(services: BroadcastsServices): Broadcasts {
  const { store, stopped, onChange, onStart, newId, looker } = services;

  const find = async (caller: string, id: string): Promise<KnownBroadcast> => {
    const broadcast = await store.findBroadcast(caller, id).catch(unreadable);
    if (!broadcast) throw unknownBroadcast();
    const { rejected, unknown } = broadcast.counts;
    return {
      ...broadcast,
      ...(rejected > 0 && { rejections: await store.rejections(id).catch(unreadable) }),
      ...(unknown > 0 && { looks: await looksOf(id, services).catch(unreadable) }),
    };
  };

  /** A release whose commit was lost may stand all the same: the key tells. */
  const release = async (
    { quota, ...asker }: BroadcastAsker,
    { id, fingerprint, total }: { id: string; fingerprint: string; total: number },
  ): Promise<StoredBroadcast> => {
    const charge = quota && { caller: asker.caller, n: total, limits: quota };
    try {
      return (await store.releaseBroadcast(id, fingerprint, charge)) ?? raise(lost());
    } catch (error) {
      if (!(error instanceof StoreError)) throw asUnrecorded(error);
      const stands = await store
        .discardBroadcast(id)
        .then(() => store.findBroadcastByKey(asker.caller, asker.route, asker.key))
        .catch((cause) => raise(doubtful(cause)));
      return stands?.id === id ? stands : notStarted(error);
    }
  };

  return {
    repeated: async ({ caller, route, key }, fingerprint) => {
      const known = await store.findBroadcastByKey(caller, route, key).catch(unreadable);
      return known && replay(known, store.sameContent(known, await fingerprint()));
    },

    start: async (asker, draft, fill) => {
      const { caller, quota, ...idempotency } = asker;
      let total = 0;
      const left = quota && (await store.quotaLeft(caller, quota).catch(unreadable));
      const id = newId();
      const { template, broadcastName, connection } = draft;
      const through = channelOf(draft.channel, services.channel);
      const make = { newId, id, caller, through };
      assertMaySend(stopped, { caller, connection });
      const opened = await store
        .openBroadcast({
          ...{ id, caller, template, name: broadcastName, connectionId: connection, idempotency },
          ...(through.channel !== undefined && { channel: through.channel }),
        })
        .catch(notStarted);
      // Another request with this key came in between: who waits for its end has nothing to compare yet.
      if ('known' in opened) throw inProgress(broadcastLocation(opened.known));
      try {
        const fingerprint = await fill(async (recipients) => {
          total += recipients.length;
          // Before they are recorded; what others of its caller send meanwhile is counted at the release.
          if (left && total > left.left) throw asUnrecorded(new QuotaSpent(total, left));
          for (let from = 0; from < recipients.length; from += batchMax) {
            const sends = recipients.slice(from, from + batchMax).map((each) => sendOf(make, draft, each));
            if (!(await store.addRecipients(id, sends).catch(notStarted))) throw lost();
          }
        });
        // A long import may have begun before sending was stopped.
        assertMaySend(stopped, { caller, connection });
        const broadcast = await release(asker, { id, fingerprint, total });
        onStart?.(broadcast);
        onChange();
        return { broadcast };
      } catch (error) {
        // Where this fails as well, the sweep takes it out as soon as the store works.
        await store.discardBroadcast(id).catch(() => {});
        throw error;
      }
    },

    find,
    lookForUnknown: async (caller, id, mayUse) => {
      const broadcast = await store.findBroadcast(caller, id).catch(unreadable);
      if (!broadcast) throw unknownBroadcast();
      if (!mayUse(broadcast.connectionId)) {
        throw new Problem('forbidden', 'your key may not use the connection of this broadcast');
      }
      await store.askForLooks(id).catch(unreadable);
      looker.nudge();
      return find(caller, id);
    },
    list: (caller, page) => store.listBroadcasts(caller, page).catch(unreadable),

    steer: async (caller, id, to) => {
      const broadcast = await store.steerBroadcast(caller, id, to).catch(unreadable);
      if (!broadcast) throw unknownBroadcast();
      if (broadcast.pausedBy === 'operator' && to !== 'paused') {
        throw new Problem('forbidden', 'an operator has paused it; only an operator lets it go on');
      }
      if (broadcast.status !== to) {
        throw new Problem('broadcast-over', `the broadcast is ${broadcast.status}; it cannot be changed any more`);
      }
      onChange();
      return broadcast;
    },
  };
}

interface Made {
  newId: () => string;
  /** Of the broadcast. */
  id: string;
  caller: string;
  through: ReturnType<typeof channelOf>;
}

/** Recorded as what it is, a template send that can be made, looked for and sent again like any other. */
function sendOf(
  { newId, id, caller, through }: Made,
  { template, broadcastName, connection, asked }: BroadcastDraft,
  { to, parameters }: BroadcastRecipient,
): NewSend {
  const body: TemplatePost = {
    ...{ to, template, ...(parameters && { parameters }), broadcastName },
    ...(asked !== undefined && { channel: asked }),
  };
  return {
    id: newId(),
    caller,
    kind: 'template',
    to,
    connectionId: connection,
    template,
    localMessageId: newId(),
    call: toJson({ kind: 'template', body }),
    broadcastId: id,
    ...through,
  };
}

/** The table of delivery.md 2.6, for a request that was for many. */
function replay(known: StoredBroadcast, isSame: boolean | undefined): Started {
  // While it is recording, nobody knows its content.
  if (isSame === undefined) throw inProgress(broadcastLocation(known));
  if (!isSame) throw mismatch(broadcastLocation(known));
  return { broadcast: known, replayed: true };
}

export const broadcastLocation = ({ id }: Pick<StoredBroadcast, 'id'>): string => `/v1/broadcasts/${id}`;

const unknownBroadcast = () => new Problem('not-found', 'you have no broadcast with this id');

/** A process that was paused may find that others took it for dead and swept its unfinished record away. */
const lost = () =>
  new Problem('store-unavailable', 'the broadcast could not be recorded in time, so nothing was sent', {
    outcome: 'not_sent',
    retryAfterS: 2,
  });

/** Neither "recorded" nor "not sent" would be true; under its key a repeat is safe. */
const doubtful = (cause: unknown) =>
  new Problem(
    'store-unavailable',
    'it is not known whether the broadcast was recorded; ask again with the same key, it is started once at most',
    { cause, outcome: 'unknown', retryAfterS: 2 },
  );

/** Nobody sees it before its release: nothing of it was sent, whatever stands. */
function notStarted(cause: unknown): never {
  throw asUnrecorded(cause);
}

function raise(problem: Problem): never {
  throw problem;
}
