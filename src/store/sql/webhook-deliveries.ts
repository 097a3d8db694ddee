import { typesOf } from '../../events/event-types.ts';
import type { EndpointDelivery, Replayed, StoredEndpoint, WebhookEndpointStore } from '../webhook-endpoint-store.ts';
import type { Dialect, Engine, Row } from './engine.ts';
import { integer, optional, required, toSqlText } from './row-mapping.ts';
import { type DeliveryStatements, deliveryStatements } from './webhook-delivery-statements.ts';
import { toEndpoint } from './webhook-endpoints.ts';
import { endpointStatements } from './webhook-statements.ts';

type Deliveries = Pick<WebhookEndpointStore, 'listDeliveries' | 'replayEndpoint'>;
type Replay = Parameters<WebhookEndpointStore['replayEndpoint']>[2];

/** Lists deliveries of an endpoint, and queues events to be sent again. */
export function deliveryOperations(engine: Engine, dialect: Dialect): Deliveries {
  const sql = deliveryStatements(dialect);
  const { find } = endpointStatements(dialect);
  return {
    async listDeliveries(id, { status, before = Number.MAX_SAFE_INTEGER, limit }) {
      const values = { id: toSqlText(id), status: status ?? null, before, limit: limit + 1 };
      const found = (await engine.list({ statement: sql.list, values })).map(toDelivery);
      const deliveries = found.slice(0, limit);
      const last = found.length > limit ? deliveries.at(-1) : undefined;
      return { deliveries, ...(last && { next: last.place }) };
    },

    async replayEndpoint(caller, id, what) {
      const [row] = await engine.read({ statement: find, values: { caller, id: toSqlText(id) } });
      const endpoint = row && toEndpoint(row);
      return endpoint?.status === 'enabled' ? replay({ engine, sql }, endpoint, what) : undefined;
    },
  };
}

async function replay(
  { engine, sql }: { engine: Engine; sql: DeliveryStatements },
  { caller, id, types }: StoredEndpoint,
  what: Replay,
): Promise<Replayed | undefined> {
  const typeRows = typesOf(types).map((type) => ({ type }));
  if ('failed' in what) {
    const queued = await retryFailed({ engine, sql }, id, JSON.stringify(typeRows));
    const [left = {}] = await engine.list({ statement: sql.countFailed, values: { id } });
    return { queued, skipped: integer(left, 'n') };
  }
  if ('eventIds' in what) {
    const named = new Set(what.eventIds);
    const rows = [...named].flatMap((event) => typeRows.map(({ type }) => ({ event: toSqlText(event), type })));
    const values = { caller, id, rows: JSON.stringify(rows) };
    const [parked = []] = await engine.write([{ statement: sql.parkNamed, values }]);
    return { queued: parked.length, skipped: named.size - parked.length };
  }
  const { after, until } = what;
  const [widened = []] = await engine.write([{ statement: sql.walk, values: { caller, id, after, until } }]);
  if (widened.length === 0) return undefined;
  const values = { caller, after, until, rows: JSON.stringify(typeRows) };
  const [counted = {}] = await engine.list({ statement: sql.countWalk, values });
  const queued = integer(counted, 'queued');
  return { queued, skipped: integer(counted, 'walked') - queued };
}

/** Maximum number of rows per commit: hundreds of thousands in one commit would delay everything else. */
const BATCH = 1_000;

async function retryFailed(
  { engine, sql }: { engine: Engine; sql: DeliveryStatements },
  id: string,
  rows: string,
): Promise<number> {
  let retried = 0;
  for (let after = 0; ; ) {
    const batch = { statement: sql.failedBatch, values: { id, after, limit: BATCH } };
    const [{ batch_end = null, n = 0 } = {}] = await engine.list(batch);
    if (batch_end === null) return retried;
    const until = Number(batch_end);
    const [again = []] = await engine.write([{ statement: sql.retryFailed, values: { id, after, until, rows } }]);
    retried += again.length;
    if (Number(n) < BATCH) return retried;
    after = until;
  }
}

function toDelivery(row: Row): EndpointDelivery {
  const some = (key: 'tries' | 'at' | 'nextAttemptInMs' | 'httpStatus' | 'durationMs', column: string) =>
    row[column] === null ? {} : { [key]: integer(row, column) };
  const status = required(row, 'status');
  const error = optional(row, 'error');
  return {
    place: integer(row, 'event_seq'),
    eventId: required(row, 'id'),
    type: required(row, 'type'),
    status: status === 'delivered' || status === 'failed' ? status : 'pending',
    ...some('tries', 'tries'),
    ...some('at', 'at'),
    ...(row.due_in !== null && { nextAttemptInMs: Math.max(0, integer(row, 'due_in')) }),
    ...some('httpStatus', 'http_status'),
    ...some('durationMs', 'ms'),
    ...(error !== undefined && { error }),
  };
}
