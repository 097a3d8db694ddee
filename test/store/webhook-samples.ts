import { eventTypes } from '../../src/events/event-types.ts';
import type { StoredEvent } from '../../src/store/event-store.ts';
import type { Store } from '../../src/store/open.ts';
import type { EndpointProgress, NewEndpoint, StoredEndpoint } from '../../src/store/webhook-endpoint-store.ts';
import { newFact, recordAll } from './event-samples.ts';
import { NO_BATCH } from './tracking-samples.ts';

export const newEndpoint = (id: string, more: Partial<NewEndpoint> = {}): NewEndpoint => ({
  id,
  caller: 'crm',
  url: `https://hooks.example/${id}`,
  types: ['*'],
  position: 0,
  ...more,
});

/** Creates an endpoint and takes it over. */
export async function served(store: Store, id: string, more: Partial<NewEndpoint> = {}): Promise<StoredEndpoint> {
  await store.createEndpoint(newEndpoint(id, more), 99);
  const endpoint = (await store.claimEndpoints()).find((each) => each.id === id);
  if (endpoint === undefined) throw new Error(`${id} is not served`);
  return endpoint;
}

/** Makes `count` events of one caller, each with its own contact. */
export async function makeEvents(store: Store, count: number, type = 'message.received'): Promise<StoredEvent[]> {
  await store.setSubscriptions([{ caller: 'crm', types: eventTypes }]);
  const { last } = await store.eventPositions('crm');
  const facts = Array.from({ length: count }, (_, n) => newFact(`in:${last + n}`, { type, contact: `49${last + n}` }));
  await store.applyTracking({ ...NO_BATCH, facts });
  return recordAll(store);
}

export const progressOf = (
  { id, epoch, position, ahead, failures }: StoredEndpoint,
  more: Partial<EndpointProgress> = {},
): EndpointProgress => ({ id, epoch, position, ahead, failures, parked: [], unparked: [], attempts: [], ...more });
