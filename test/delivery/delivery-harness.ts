import { randomUUID } from 'node:crypto';
import { createDelivery } from '../../src/delivery/delivery-service.ts';
import { type CircuitBreaker, createCircuitBreaker } from '../../src/delivery/dispatch/circuit-breaker.ts';
import type { DispatchServices } from '../../src/delivery/dispatch/upstream-request.ts';
import type { Delivery } from '../../src/delivery/types.ts';
import type { RateLimiter } from '../../src/rate-limit/types.ts';
import type { MessageStore } from '../../src/store/message-store.ts';
import { openStore, type Store } from '../../src/store/open.ts';
import { createSendCalls } from '../../src/upstream/send-calls.ts';
import type { Call, HttpResponse, HttpResult } from '../../src/upstream/types.ts';
import { fakeStore } from '../support/fake-store.ts';
import { fixedSizes } from '../support/fixed-sizes.ts';

const hourMs = 60 * 60 * 1000;
const options = { keyRetentionMs: hourMs, unknownRetentionMs: hourMs, recordRetentionMs: hourMs, leaseMs: 15_000 };

export const answered = (status: number, text: string, headers: HttpResponse['headers'] = {}): HttpResult => ({
  kind: 'answered',
  status,
  headers,
  text,
});
export const yes = answered(200, '{"result":true}');

interface More {
  rateLimiter?: RateLimiter;
  /** Whether an open breaker may close. */
  probe?: () => Promise<boolean>;
  breaker?: CircuitBreaker;
  /** Template sends in one call. */
  group?: number;
  onProved?: DispatchServices['onProved'];
}

/** A delivery service on a store of its own, of which `overrides` replace some operations. */
export async function startDelivery(
  attempt: (call: Call) => Promise<HttpResult>,
  overrides: (store: Store) => Partial<MessageStore> = () => ({}),
  { rateLimiter, probe = async () => true, breaker, group = 1, onProved }: More = {},
): Promise<{ delivery: Delivery; store: Store; close(): Promise<void> }> {
  const real = await openStore('memory:', options);
  const store = fakeStore<Store>(real, overrides(real));
  const closing = new AbortController();
  const delivery = createDelivery({
    store,
    transport: { execute: attempt, read: attempt },
    diagnosis: { unauthorized: async () => '', connectionProblem: async () => undefined },
    sendCalls: createSendCalls(),
    breaker: breaker ?? createCircuitBreaker(probe, closing.signal),
    closing: closing.signal,
    stopped: { reasonFor: () => undefined },
    newId: randomUUID,
    now: Date.now,
    sendTimeoutMs: 5_000,
    holds: { reasonFor: () => undefined },
    splitsBatches: true,
    batchSizes: fixedSizes({ urgent: group, interactive: group, broadcast: group }),
    ...(rateLimiter && { rateLimiter }),
    ...(onProved && { onProved }),
  });
  const close = async () => {
    closing.abort();
    await delivery.close();
    await real.close();
  };
  return { delivery, store, close };
}

/** Claims that nothing gets before `renew`, as while the lease of this process is out. */
export function leaseThatIsOut() {
  let isOut = true;
  let asked = 0;
  return {
    /** For `startDelivery`. */
    claims: (store: Store): Partial<MessageStore> => ({
      claimAll: async (marks) => {
        asked += 1;
        return isOut ? new Set<string>() : store.claimAll(marks);
      },
    }),
    renew: () => {
      isOut = false;
    },
    /** How often a claim was asked for. */
    asked: () => asked,
  };
}
