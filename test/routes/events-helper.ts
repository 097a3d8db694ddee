import { expect } from 'vitest';
import { openStore } from '../../src/store/open.ts';
import { fakeStore } from '../support/fake-store.ts';
import { MemoryEvents } from '../support/memory-event-store.ts';
import { type Answer, type Service, startService } from '../support/service.ts';

export const keys = {
  billing: 'the-key-of-the-billing-service',
  shop: 'the-key-of-the-shop-service',
  silent: 'the-key-of-one-without-events',
  narrow: 'the-key-of-one-with-one-connection',
  unscoped: 'the-key-of-one-without-the-scope',
} as const;

const scopes = ['events:read'];
const eventCallers = [
  { name: 'billing', key: keys.billing, scopes, events: ['*'] },
  { name: 'shop', key: keys.shop, scopes, events: ['message.*'] },
  { name: 'silent', key: keys.silent, scopes },
  { name: 'narrow', key: keys.narrow, scopes, events: ['*'], connections: ['c1'] },
  { name: 'unscoped', key: keys.unscoped, scopes: ['messages:read'], events: ['*'] },
];

export interface Page {
  data: Record<string, unknown>[];
  nextCursor: string;
  hasMore: boolean;
}

export const pageOf = ({ status, text, json }: Answer): Page => {
  expect(status, text).toBe(200);
  return json as Page;
};

export const idsOf = ({ data }: Page) => data.map(({ id }) => id);

export const retention = { keyRetentionMs: 1e9, unknownRetentionMs: 1e9, recordRetentionMs: 1e9, leaseMs: 1e9 };

/** A service whose events are in memory, so that a test records and deletes them as other processes would. */
export async function startWithEvents(
  options: Parameters<typeof startService>[0] & { processOf?: MemoryEvents; copyOf?: MemoryEvents } = {},
): Promise<{ service: Service; memory: MemoryEvents }> {
  const { processOf, copyOf, ...rest } = options;
  const memory = processOf ?? copyOf?.copy() ?? new MemoryEvents();
  const store = rest.store ?? fakeStore(await openStore('memory:', retention), memory.open());
  const service = await startService({ callers: eventCallers, ...rest, store });
  return { service, memory };
}
