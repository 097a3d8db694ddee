import type { ReportHold } from '../holds/held-queues.ts';
import type { StoppedSending } from '../holds/holds.ts';
import type { SharedPool } from '../pools/shared-pool.ts';
import type { MessageStore, StoredMessage } from '../store/message-store.ts';
import type { QuotaStore } from '../store/quota-store.ts';
import type { CallerPriority } from '../upstream/permits.ts';
import type { SendCalls } from '../upstream/send-calls.ts';
import type { Transport } from '../upstream/transport.ts';
import type { BatchMax } from './dispatch/template-batcher.ts';
import type { DispatchServices } from './dispatch/types.ts';

export interface DeliveryServices extends DispatchServices {
  store: MessageStore & Pick<QuotaStore, 'spendQuota'>;
  transport: Transport;
  sendCalls: SendCalls;
  stopped: StoppedSending;
  /** Ids of messages, and the client ids under which WATI keeps them. */
  newId: () => string;
  /** Time-out of a resumed message, or of one without a waiting client. */
  sendTimeoutMs: number;
  onEnd?: (stored: StoredMessage) => void;
  /** The queue of a caller over a connection is held from now on, or released. */
  onHold?: ReportHold;
  onBatch?: (lane: CallerPriority['lane'], size: number) => void;
  batchMax: BatchMax;
  /** Whether a 2xx that refuses a whole batch is followed by calls of its halves. */
  splitsBatches: boolean;
  /** The company number for messages that name none; absent: WATI's own default. */
  channel?: string | undefined;
  /** Capacity for messages in delivery, by caller; a pool of its own by default. */
  sends?: SharedPool;
}
