import { expect, vi } from 'vitest';
import { createRateLimiter } from '../../src/rate-limit/outbound-limiter.ts';
import { isRecord } from '../support/json.ts';
import { type Service, startService } from '../support/service.ts';
import { formHeaders, formOf } from './sending.ts';

/** Callers of these tests; `tester` of the helper has every scope. */
export const readerKey = 'key-of-an-operator-who-reads';
export const writerKey = 'key-of-an-operator-who-acts';
export const revealerKey = 'key-of-an-operator-who-sees';
export const crmKey = 'key-of-the-crm-that-sends';
export const shopKey = 'key-of-the-shop-that-sends';

export const staff = [
  { name: 'reader', key: readerKey, scopes: ['operations:read'] },
  { name: 'writer', key: writerKey, scopes: ['operations:read', 'operations:write'] },
  { name: 'revealer', key: revealerKey, scopes: ['operations:read', 'operations:reveal'] },
  { name: 'crm', key: crmKey, scopes: ['messages:send', 'messages:read', 'broadcasts:send'] },
  { name: 'shop', key: shopKey, scopes: ['messages:send', 'messages:read', 'broadcasts:send'] },
];

export const reason = 'we look into an incident';

export const stop = (service: Service, stopped: object, key = writerKey) =>
  service.ask('PUT', '/v1/operations/sending', { key, json: { stopped, reason } });

/** A row of three; the first of them in a CSV. */
export const csvForm = { body: formOf('Phone\r\n14155551000\r\n', 'text/csv', 'a.csv'), headers: formHeaders };

export const auditLines = (service: Service) => service.logs().filter((line) => line.msg === 'audit');

export function idIn(json: unknown): string {
  expect(json).toMatchObject({ id: expect.any(String) });
  return isRecord(json) ? String(json.id) : '';
}

export const soon = (look: () => Promise<void>) => vi.waitFor(look, { timeout: 15_000, interval: 50 });

/** A service whose broadcasts get no permit until `letGo` is called. */
export interface OperatedService extends Service {
  holdBroadcasts(): { letGo: () => void };
}

export async function startOperated(options: Parameters<typeof startService>[0] = {}): Promise<OperatedService> {
  const rateLimiter = createRateLimiter({ perSecond: 100_000, plan: 'none' });
  const acquire = rateLimiter.acquire.bind(rateLimiter);
  let gate: Promise<void> = Promise.resolve();
  rateLimiter.acquire = async (ask) => {
    if (ask.lane === 'broadcast') await gate;
    return acquire(ask);
  };
  const service = await startService({ ...options, seams: { ...options.seams, rateLimiter } });
  const holdBroadcasts = () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    gate = promise;
    return { letGo: resolve };
  };
  return Object.assign(service, { holdBroadcasts });
}

/** A broadcast of this caller, which waits as long as it is paused. */
export async function pausedBroadcast(service: OperatedService, key: string, to = ['14155551000', '14155551001']) {
  const { letGo } = service.holdBroadcasts();
  const begun = await service.ask('POST', '/v1/broadcasts', {
    key,
    json: { template: 'welcome', broadcastName: 'autumn', recipients: to.map((each) => ({ to: each })) },
    headers: { 'idempotency-key': `key-${to.join('-')}` },
  });
  expect(begun.status, begun.text).toBe(202);
  const id = idIn(begun.json);
  expect((await service.ask('POST', `/v1/broadcasts/${id}/pause`, { key })).status).toBe(200);
  letGo();
  return id;
}
