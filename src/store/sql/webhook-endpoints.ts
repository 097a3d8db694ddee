import type { EndpointStatus, StoredEndpoint, WebhookEndpointStore } from '../webhook-endpoint-store.ts';
import type { Dialect, Engine, Row, Statement, Step } from './engine.ts';
import { integer, optional, required, toSqlText } from './row-mapping.ts';
import { changeStatement, type EndpointStatements, endpointStatements } from './webhook-statements.ts';

type Endpoints = Pick<
  WebhookEndpointStore,
  | 'createEndpoint'
  | 'findEndpoint'
  | 'listEndpoints'
  | 'updateEndpoint'
  | 'deleteEndpoint'
  | 'rotateEndpointSecret'
  | 'claimEndpoints'
>;

const PARKED_BATCH = 1_000;

/** Endpoints, and which process serves them. */
export function endpointOperations(engine: Engine, dialect: Dialect, now: () => number): Endpoints {
  const sql = endpointStatements(dialect);
  const changed = async (statement: Statement, values: Step['values']): Promise<StoredEndpoint | undefined> => {
    const [rows = []] = await engine.write([{ statement, values }]);
    return rows[0] && toEndpoint(rows[0]);
  };
  return {
    async createEndpoint({ id, caller, url, types, description, position }, most) {
      if (most < 1) return undefined;
      const text = { url: toSqlText(url), types: JSON.stringify(types), description: toSqlText(description) };
      const values = { id, caller, ...text, position, most, wall: now() };
      // If another request takes the same place, the next place is tried.
      for (;;) {
        const created = await changed(sql.create, values);
        if (created !== undefined) return created;
        const [row = {}] = await engine.read({ statement: sql.count, values: { caller } });
        if (integer(row, 'n') >= most) return undefined;
      }
    },

    async findEndpoint(caller, id) {
      const [row] = await engine.read({ statement: sql.find, values: { caller, id: toSqlText(id) } });
      return row && toEndpoint(row);
    },
    listEndpoints: async (caller) => (await engine.read({ statement: sql.list, values: { caller } })).map(toEndpoint),

    updateEndpoint(caller, id, { url, types, description, status, position }) {
      const given = { url, types, description, status, position };
      const statement = changeStatement({
        url: given.url !== undefined,
        types: given.types !== undefined,
        description: given.description !== undefined,
        status: given.status !== undefined,
        position: given.position !== undefined,
      });
      return changed(statement, {
        caller,
        id: toSqlText(id),
        wall: now(),
        ...(url !== undefined && { url: toSqlText(url) }),
        ...(types !== undefined && { types: JSON.stringify(types) }),
        ...(description !== undefined && { description: toSqlText(description) }),
        ...(status !== undefined && { status }),
        ...(position !== undefined && { position }),
      });
    },

    async deleteEndpoint(caller, id) {
      // Its parked rows are deleted in batches, because a large commit would delay everything else.
      const parked = { statement: sql.removeParked, values: { caller, id: toSqlText(id), limit: PARKED_BATCH } };
      for (let removed = PARKED_BATCH; removed === PARKED_BATCH; ) {
        const [rows = []] = await engine.write([parked]);
        removed = rows.length;
      }
      const [rows = []] = await engine.write([{ statement: sql.remove, values: { caller, id: toSqlText(id) } }]);
      return rows.length > 0;
    },
    rotateEndpointSecret: (caller, id, until) => changed(sql.rotate, { caller, id: toSqlText(id), until, wall: now() }),

    claimEndpoints: () => claim(engine, sql),
  };
}

/** Reads first, because that is cheaper than a write, and usually this process still serves the endpoints. */
async function claim(engine: Engine, sql: EndpointStatements): Promise<StoredEndpoint[]> {
  const lost = await engine.read({ statement: sql.hasLost, values: {} });
  if (lost.length > 0) await engine.write([{ statement: sql.adopt, values: {} }]);
  return (await engine.read({ statement: sql.own, values: {} })).map(toEndpoint);
}

export function toEndpoint(row: Row): StoredEndpoint {
  const some = <Key extends string>(key: Key, value: string | number | undefined) =>
    value === undefined ? {} : { [key]: value };
  const status: EndpointStatus = required(row, 'status') === 'enabled' ? 'enabled' : 'disabled';
  return {
    id: required(row, 'id'),
    caller: required(row, 'caller'),
    url: required(row, 'url'),
    types: JSON.parse(required(row, 'types_json')),
    ...some('description', optional(row, 'description')),
    status,
    ...some('reason', optional(row, 'reason')),
    createdAt: integer(row, 'created_at'),
    updatedAt: integer(row, 'updated_at'),
    secretVersion: integer(row, 'secret_version'),
    ...some('previousSecretUntil', maybe(row, 'previous_until')),
    ...some('failingSince', maybe(row, 'failing_since')),
    ...some('lastSuccessAt', maybe(row, 'last_success_at')),
    failures: integer(row, 'failures'),
    epoch: integer(row, 'epoch'),
    position: integer(row, 'position'),
    ahead: JSON.parse(required(row, 'ahead')),
    ...replayOf(row),
  };
}

const maybe = (row: Row, column: string): number | undefined =>
  row[column] === null ? undefined : integer(row, column);

function replayOf(row: Row): Pick<StoredEndpoint, 'replay'> {
  const [position, until] = [maybe(row, 'replay_position'), maybe(row, 'replay_until')];
  if (position === undefined || until === undefined) return {};
  return {
    replay: {
      request: integer(row, 'replay_request'),
      position,
      until,
      ahead: JSON.parse(required(row, 'replay_ahead')),
    },
  };
}
