import type { WebhookEndpointStore } from '../webhook-endpoint-store.ts';
import type { Dialect, Engine } from './engine.ts';
import { deliveryOperations } from './webhook-deliveries.ts';
import { endpointOperations } from './webhook-endpoints.ts';
import { progressOperations } from './webhook-progress.ts';

/** The operations of src/store/webhook-endpoint-store.ts, in SQL that both databases speak. */
export function createWebhookEndpointStore(
  engine: Engine,
  dialect: Dialect,
  now: () => number = () => Date.now(),
): WebhookEndpointStore {
  return {
    ...endpointOperations(engine, dialect, now),
    ...progressOperations(engine, dialect, now),
    ...deliveryOperations(engine, dialect),
  };
}
