import { type Answer, type Call, ok, one } from './call.ts';
import type { Ids } from './ids.ts';
import type { Connection, ConnectionSeed, Tenant } from './state.ts';

export function newConnection(seed: ConnectionSeed, now: number, ids: Ids): Connection {
  return {
    id: seed.id ?? ids.uuid('connection'),
    status: seed.status ?? 'ACTIVE',
    app: 'wati',
    method: 'API_KEY',
    createdAt: seed.createdAt ?? now,
    updatedAt: seed.createdAt ?? now,
    expired: seed.expired ?? false,
    polls: 0,
  };
}

/** The connection that a request uses: the named one, or the oldest ACTIVE one, as Maton's older documentation says. */
export function usableConnection(tenant: Tenant, named: string | undefined): Connection | undefined {
  const active = tenant.connections.filter((each) => each.status === 'ACTIVE' && each.app === 'wati');
  if (named !== undefined) return active.find((each) => each.id === named);
  return active.toSorted((a, b) => a.createdAt - b.createdAt)[0];
}

export function listConnections(call: Call, tenant: Tenant): Answer {
  const app = one(call.query, 'app');
  const status = one(call.query, 'status');
  const method = one(call.query, 'method');
  const limit = Number(one(call.query, 'limit') ?? Number.POSITIVE_INFINITY);
  const found = tenant.connections.filter(
    (each) =>
      (app === undefined || each.app === app) &&
      (status === undefined || each.status === status) &&
      (method === undefined || each.method === method),
  );
  return ok({ connections: found.slice(0, limit).map((each) => ({ ...toWire(each, tenant), method: each.method })) });
}

export function createConnection(_call: Call, tenant: Tenant): Answer {
  const connection = tenant.addConnection({ status: 'PENDING' });
  return ok({ connection: { ...toWire(connection, tenant), method: connection.method } });
}

/** No event ends PENDING here, so polls do: the n-th one gets the final state. */
export function getConnection(call: Call, tenant: Tenant): Answer {
  const connection = find(call, tenant);
  if (!connection) return unknownConnection();
  if (connection.status === 'PENDING') {
    connection.polls += 1;
    if (connection.polls >= tenant.settings.pollsUntilSettled) {
      connection.status = tenant.settings.connectionOutcome;
      connection.updatedAt = call.now;
    }
  }
  return ok({ connection: toWire(connection, tenant) });
}

export function deleteConnection(call: Call, tenant: Tenant): Answer {
  const connection = find(call, tenant);
  if (!connection) return unknownConnection();
  tenant.connections.splice(tenant.connections.indexOf(connection), 1);
  return ok({});
}

function find(call: Call, tenant: Tenant): Connection | undefined {
  return tenant.connections.find((each) => each.id === call.params.id);
}

function unknownConnection(): Answer {
  return { status: 404, body: { error: 'Connection not found' }, acted: false };
}

/** Without `method`, as in the vendor's sample for get; the sample for list has it. */
function toWire(connection: Connection, { ids }: Tenant): Record<string, unknown> {
  return {
    connection_id: connection.id,
    status: connection.status,
    creation_time: microseconds(connection.createdAt),
    last_updated_time: microseconds(connection.updatedAt),
    url: `https://connect.maton.ai/?session_token=${ids.bytes('session', 16).toString('hex')}`,
    app: connection.app,
    metadata: {},
  };
}

function microseconds(at: number): string {
  return new Date(at).toISOString().replace('Z', '460Z');
}
