import type { ReportHold } from '../holds/held-queues.ts';
import type { StoppedSending } from '../holds/holds.ts';
import { assertNotStopped } from '../holds/sending-stop.ts';
import type { SharedPool } from '../pools/shared-pool.ts';
import type { NewMessage, StoredMessage } from '../store/message-store.ts';
import type { QuotaStore } from '../store/quota-store.ts';
import { throwInsertFailed, throwStoreUnreadable } from '../store/store-problems.ts';
import type { CallContext } from '../upstream/client.ts';
import { type CallerPriority, queueKey } from '../upstream/permits.ts';
import type { SendCalls } from '../upstream/send-calls.ts';
import type { Transport } from '../upstream/transport.ts';
import { ActiveDeliveries } from './active-deliveries.ts';
import {
  type Admission,
  createAdmission,
  createSendsPool,
  type KeepPlace,
  PendingInserts,
} from './admission/admission.ts';
import { cancelMessage } from './cancel-message.ts';
import { type BatchTemplate, batchTemplateOf } from './dispatch/batch-queue.ts';
import type { BatchSizes } from './dispatch/batch-sizes.ts';
import { StreamDiscarded } from './dispatch/complete.ts';
import { deliver } from './dispatch/deliver.ts';
import { TemplateBatcher } from './dispatch/template-batcher.ts';
import type { ActiveDelivery, DispatchServices } from './dispatch/upstream-request.ts';
import { batchRequest, plannedRequest, uploadRequest } from './dispatch/upstream-request.ts';
import { findReplay, findResendable, keyInProgress, locationOf, replayOrReject } from './idempotency.ts';
import { keptInResend, messageFields, newMessage, type Routing, recordedChannel } from './new-message.ts';
import { createQueueFeeder, type QueueFeeder } from './recovery/queue-feeder.ts';
import { type Content, contentOf, toUpstreamCall } from './send-content.ts';
import type { Delivery, Requester, ResendContext, SendRequest, SendResult, StreamRequest } from './types.ts';
import { toResult, waitForOutcome } from './wait-for-outcome.ts';

interface DeliveryServices extends DispatchServices {
  store: DispatchServices['store'] & Pick<QuotaStore, 'spendQuota'>;
  transport: Transport;
  sendCalls: SendCalls;
  stopped: StoppedSending;
  /** Makes ids of messages; WATI keeps a message under the same id. */
  newId: () => string;
  /** Time-out of a resumed message, or of one without a waiting client. */
  sendTimeoutMs: number;
  onEnd?: (stored: StoredMessage) => void;
  /** The messages of a caller over a connection are held from now on, or released. */
  onHold?: ReportHold;
  onBatch?: (lane: CallerPriority['lane'], size: number) => void;
  batchSizes: BatchSizes;
  /** Whether a batch that a 2xx refuses as a whole is tried again in halves. */
  splitsBatches: boolean;
  /** The company number for messages that name none; absent: WATI's own default. */
  channel?: string | undefined;
  /** Capacity for messages in delivery, by caller; a pool of its own by default. */
  sends?: SharedPool;
}

interface Sendable {
  content: Content;
  /** Undefined: sent in a call of its own. */
  template: BatchTemplate | undefined;
}

export const createDelivery = (services: DeliveryServices): Delivery => new DeliveryService(services);

class DeliveryService implements Delivery {
  readonly #services: DeliveryServices;
  readonly #pendingInserts = new PendingInserts();
  readonly #active: ActiveDeliveries;
  readonly #admission: Admission;
  readonly #batcher: TemplateBatcher | undefined;
  readonly #feeder: QueueFeeder;

  constructor(services: DeliveryServices) {
    const { store, breaker, closing, holds, rateLimiter, onEnd, onHold, sends = createSendsPool() } = services;
    const pendingInserts = this.#pendingInserts;
    this.#services = services;
    this.#active = new ActiveDeliveries({ ...services, onEnd, onLeft: () => this.#feeder.markPending() });
    this.#admission = createAdmission({ pendingInserts, breaker, store, rateLimiter, sends });
    this.#batcher = rateLimiter && new TemplateBatcher({ ...services, rateLimiter, pendingInserts });
    this.#feeder = createQueueFeeder({
      store,
      closing,
      active: this.#active,
      resume: (stored) => this.#resume(stored),
      breakerIsClosed: ({ connectionId }) => breaker.isClosed(connectionId),
      holdOf: ({ caller, connectionId: connection }) => holds.reasonFor({ caller, connection, scope: 'messages:send' }),
      ...(onHold && { onHold }),
    });
  }

  get underWay(): number {
    return this.#active.size;
  }

  findReplay(...asked: Parameters<Delivery['findReplay']>): ReturnType<Delivery['findReplay']> {
    return findReplay(this.#services.store, ...asked);
  }

  /** Checks capacity first, because during a flood of requests a refusal has to be cheap. */
  send(request: SendRequest): Promise<SendResult> {
    return this.#admission.withCapacity(request.context, (keepPlace) => this.#send(request, keepPlace));
  }

  async #send(request: SendRequest, keepPlace: KeepPlace, resendOf?: string): Promise<SendResult> {
    const { requester, content, context, waitMs } = request;
    // Without a waiting client the request has no deadline of its own.
    const timeoutMs = waitMs > 0 ? waitMs : this.#services.sendTimeoutMs;
    const isLater = requester.sendAt !== undefined && Date.parse(requester.sendAt) > this.wallNow();
    const template = batchTemplateOf(content, context);
    if (!isLater) {
      const place = template && this.#batcher?.placeInQueue(template, context);
      const operation = this.#operationOf({ content, template });
      this.#admission.assertPermitWithinDeadline(operation, context, { timeoutMs, place });
    }
    if (waitMs === 0 || isLater) await this.#admission.assertQueueCapacity(requester.caller, context.connection);
    const message = newMessage(request, { newId: this.#services.newId, routing: this.#routingOf(context), resendOf });
    const inserted = await this.#insert(message, template?.key ?? queueKey(context.priority));
    if ('existing' in inserted) return replayOrReject(this.#services.store, inserted.existing, message);
    if (inserted.isScheduled) return { stored: inserted.inserted };
    const deadline = performance.now() + timeoutMs;
    const delivery = { stored: inserted.inserted, deadline, ...(waitMs === 0 && { detached: true as const }) };
    const run = this.#active.start(delivery, () => this.#deliver(delivery, { content, template }, context));
    keepPlace(run);
    return waitForOutcome(waitMs, run, delivery);
  }

  /** Sends a file or CSV while it is uploaded. It never waits in the queue, because its bytes would not be available later. */
  async stream(request: StreamRequest): Promise<SendResult> {
    return this.#admission.withCapacity(request.context, (keepPlace) => this.#stream(request, keepPlace));
  }

  async #stream({ requester, draft, streamed, context, waitMs }: StreamRequest, keepPlace: KeepPlace) {
    const { newId, sendTimeoutMs } = this.#services;
    const timeoutMs = waitMs > 0 ? waitMs : sendTimeoutMs;
    this.#admission.assertPermitWithinDeadline(streamed.operation, context, { timeoutMs });
    const { kind } = draft;
    const fields = { ...messageFields({ id: newId(), kind }, requester, this.#routingOf(context)), ...draft };
    const inserted = await this.#insert({ ...fields, fileName: streamed.fileName }, queueKey(context.priority));
    if ('existing' in inserted) throw keyInProgress(locationOf(inserted.existing));
    const delivery: ActiveDelivery = { stored: inserted.inserted, deadline: 0 };
    const dispatch = { request: uploadRequest(streamed), context, services: this.#services };
    const run = this.#active.start(delivery, () => deliver(delivery, dispatch));
    keepPlace(run);
    const isReceived = await Promise.race([run, streamed.bodyReceived]).then(
      () => true,
      () => false,
    );
    try {
      // An invalid body deletes its record: a 202 before that is decided would name a message that does not exist.
      return await (isReceived ? waitForOutcome(waitMs, run, delivery) : run.then(toResult));
    } catch (error) {
      throw error instanceof StreamDiscarded ? error.cause : error;
    }
  }

  async resend(requester: Requester, id: string, contextOf: ResendContext): Promise<SendResult> {
    const found = await findResendable(this.#services.store, requester, id);
    if ('replayed' in found) return found;
    const { original, content } = found;
    const asked = { ...requester, ...keptInResend(original, requester, this.wallNow()) };
    const { context, waitMs } = await contextOf(original, content);
    const request = { requester: asked, content, context, waitMs };
    return this.#admission.withCapacity(context, (keepPlace) => this.#send(request, keepPlace, original.id));
  }

  async spend({ caller, quota }: Requester, messages: number): Promise<void> {
    if (quota && messages > 0) await this.#services.store.spendQuota(caller, messages, quota).catch(throwInsertFailed);
  }

  cancel(caller: string, id: string): Promise<StoredMessage> {
    return cancelMessage(this.#services.store, caller, id);
  }

  find(caller: string, id: string): Promise<StoredMessage | undefined> {
    return this.#services.store.find(caller, id).catch(throwStoreUnreadable);
  }

  list(...[caller, filter, page]: Parameters<Delivery['list']>): ReturnType<Delivery['list']> {
    return this.#services.store.list(caller, filter, page).catch(throwStoreUnreadable);
  }

  recover(): Promise<void> {
    return this.#feeder.recover();
  }

  feed(): Promise<void> {
    return this.#feeder.feed();
  }

  resumeQueued(): Promise<void> {
    this.#feeder.markPending();
    return this.#feeder.feed();
  }

  isUnderWay = (id: string): boolean => this.#active.has(id);

  wallNow = (): number => this.#services.store.wallNow();

  close(): Promise<void> {
    return this.#active.close();
  }

  #insert(message: NewMessage, queueKey: string): ReturnType<DispatchServices['store']['insert']> {
    const { stopped, store } = this.#services;
    // Sending may have been stopped since the request was admitted.
    assertNotStopped(stopped, { caller: message.caller, connection: message.connectionId });
    return this.#active.inserting(message.id, () =>
      this.#pendingInserts.track(queueKey, store.insert(message).catch(throwInsertFailed)),
    );
  }

  /** Sends the message in a call of its own, or batched with other messages of the same template. */
  #deliver(delivery: ActiveDelivery, { content, template }: Sendable, context: CallContext): Promise<ActiveDelivery> {
    const { sendCalls, transport } = this.#services;
    if (template && this.#batcher) return this.#batcher.enqueue(delivery, template, context);
    const alone = { sendCalls, transport, splitsBatches: false, acquirePermit: async () => {} };
    const { localMessageId, id } = delivery.stored;
    const request = template
      ? batchRequest(template, context, alone)
      : plannedRequest(toUpstreamCall(sendCalls, content, localMessageId ?? id), context, transport);
    return deliver(delivery, { request, context, services: this.#services });
  }

  /**
   * Delivers a queued message from the store that may go out now. It goes before broadcasts, and in turn with the caller's
   * newer messages, so that two messages to one person keep their order. An urgent message loses its urgency: an old login code
   * must not delay a new one.
   */
  async #resume(stored: StoredMessage): Promise<void> {
    const { channel, sendTimeoutMs } = this.#services;
    const content = contentOf(stored);
    // Streams have no stored content; the store ends those of dead processes itself.
    if (!content) return;
    const priority = { caller: stored.caller, lane: 'interactive' as const };
    const context = { connection: stored.connectionId, channel: stored.channel ?? channel, priority };
    const delivery: ActiveDelivery = { stored, deadline: performance.now() + sendTimeoutMs, detached: true };
    const template = batchTemplateOf(content, context);
    await this.#active.start(delivery, () => this.#deliver(delivery, { content, template }, context));
  }

  #operationOf({ content, template }: Sendable): string {
    return template ? 'sendTemplateMessages' : toUpstreamCall(this.#services.sendCalls, content, '').call.operation;
  }

  #routingOf({ connection, channel }: CallContext): Routing {
    return { connectionId: connection, ...recordedChannel(channel, this.#services.channel) };
  }
}
