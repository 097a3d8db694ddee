import type { ReportHold } from '../holds/held-queues.ts';
import type { Holds, StoppedSending } from '../holds/holds.ts';
import type { SharedPool } from '../pools/shared-pool.ts';
import type { RateLimiter } from '../rate-limit/types.ts';
import type { MessageStore, StoredMessage } from '../store/message-store.ts';
import type { QuotaStore } from '../store/quota-store.ts';
import type { AuthDiagnosis } from '../upstream/client.ts';
import type { CallerPriority } from '../upstream/permits.ts';
import type { SendCalls } from '../upstream/send-calls.ts';
import type { Transport } from '../upstream/transport.ts';
import type { CircuitBreaker } from './dispatch/circuit-breaker.ts';
import type { BatchMax } from './dispatch/template-batcher.ts';

export interface DeliveryServices {
  store: MessageStore & Pick<QuotaStore, 'spendQuota'>;
  transport: Transport;
  diagnosis: AuthDiagnosis;
  sendCalls: SendCalls;
  breaker: CircuitBreaker;
  /** Whether a caller may still send; asked before each attempt. */
  holds: Holds;
  stopped: StoppedSending;
  /** Ends pauses, and lets no new attempt begin. */
  closing: AbortSignal;
  /** Ids of messages, and the client ids under which WATI keeps them. */
  newId: () => string;
  /** Wall clock in ms, for the times in records. */
  now: () => number;
  /** Time-out of a resumed message, or of one without a waiting client. */
  sendTimeoutMs: number;
  onEnd?: (stored: StoredMessage) => void;
  /** It was proved to be sent before its attempt ended, which said something else. */
  onProved?: (stored: StoredMessage, said: StoredMessage['status']) => void;
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
  /** Absent: there is no limit, and every message has a call of its own. */
  rateLimiter?: RateLimiter;
}
