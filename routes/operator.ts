import type { FastifyPluginAsync } from 'fastify';
import type { StopSwitch } from '../src/holds/sending-stop.ts';
import type { CallersView } from '../src/operator/callers-view.ts';
import type { SharedPool } from '../src/pools/shared-pool.ts';
import type { OutboundRateLimiter } from '../src/rate-limit/types.ts';
import type { Readiness } from '../src/readiness.ts';
import type { MessageStatus } from '../src/store/message-store.ts';
import type { OperatorStore } from '../src/store/operator-store.ts';
import type { PersonStore } from '../src/store/person-store.ts';
import type { TrackingStore } from '../src/store/tracking-store.ts';
import type { ActServices } from './operator-act-context.ts';
import { operatorActs } from './operator-acts.ts';
import { operatorBroadcast } from './operator-broadcast.ts';
import { operatorErase } from './operator-erase.ts';
import { operatorLive } from './operator-live.ts';
import { operatorMessages } from './operator-messages.ts';
import { operatorOverview } from './operator-overview.ts';
import { operatorRecords } from './operator-records.ts';
import { operatorSending } from './operator-sending.ts';

interface Services extends Omit<ActServices, 'store'> {
  callersView: CallersView;
  store: OperatorStore &
    ActServices['store'] &
    PersonStore &
    Pick<TrackingStore, 'countPersonTracking' | 'erasePersonTracking'>;
  stopSwitch: StopSwitch;
  readiness: Readiness;
  rateLimiter: OutboundRateLimiter | undefined;
  operatorStreams: SharedPool;
  /** Wall clock, ms. */
  now: () => number;
  /** Messages of all callers by status; undefined if they cannot be counted quickly. */
  counts: () => Promise<Readonly<Record<MessageStatus | 'scheduled', number>> | undefined>;
  /** Called when a broadcast may have something to send again, or nothing any more. */
  onChange: () => void;
  onTaskError: (task: string, error: unknown) => void;
}

/** For operators: what all callers send, and how to stop it. */
export const operator: FastifyPluginAsync<Services> = async (app, services) => {
  // The examples of the docs page depend on this order: the last one erases what the others are about.
  await app.register(operatorMessages, services);
  await app.register(operatorActs, services);
  await app.register(operatorBroadcast, services);
  await app.register(operatorRecords, services);
  await app.register(operatorOverview, services);
  await app.register(operatorLive, services);
  await app.register(operatorSending, services);
  await app.register(operatorErase, services);
};
