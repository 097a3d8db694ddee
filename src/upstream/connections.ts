import { Problem } from '../problem.ts';
import { statusProblem, strange, unreachable } from './client.ts';
import { isObject, isoDate, type JsonObject, list, parseJson, reasonOf, str } from './lenient.ts';
import type { Attempt, AttemptReport, Call, Transport } from './transport.ts';

/** A connection as Maton's control API tells it (upstream.md 2.1); `url` is a secret and kept out of this shape. */
export interface MatonConnection {
  id: string;
  status: string;
  method?: string;
  createdAt: string;
  updatedAt: string;
}

export interface Connections {
  /** Every WATI connection of the account, paging followed. Throws a Problem. */
  list(onAttempt?: OnAttempt): Promise<MatonConnection[]>;
  /** The same, at most `maxAgeMs` old; concurrent callers share one call. `once`: without retries. */
  recent(maxAgeMs: number, how?: { once: boolean }): Promise<MatonConnection[]>;
  create(onAttempt?: OnAttempt): Promise<{ connection: MatonConnection; authorizationUrl?: string }>;
  get(id: string, onAttempt?: OnAttempt): Promise<MatonConnection>;
  remove(id: string, onAttempt?: OnAttempt): Promise<void>;
}

type OnAttempt = (report: AttemptReport) => void;

export function createConnections(transport: Transport): Connections {
  const control = (call: Omit<Call, 'host'>): Call => ({ ...call, host: 'control' });

  const listAll = async (onAttempt?: OnAttempt, how = { once: false }): Promise<MatonConnection[]> => {
    const found = new Map<string, MatonConnection>();
    let query: Call['query'] = { app: 'wati', limit: 100 };
    for (let pages = 0; pages < 20; pages++) {
      const call = control({ operation: 'listConnections', method: 'GET', path: '/connections', query });
      const ask = how.once ? transport.attempt : transport.read;
      const body = controlBody(await ask(call, undefined, onAttempt));
      // A missing key is an unknown shape, an empty list is a real zero (upstream.md 10, item 12c).
      if (!isObject(body) || !Array.isArray(body.connections)) throw strange();
      for (const connection of list(body.connections).map(readConnection)) {
        if (connection) found.set(connection.id, connection);
      }
      const next = (['next_token', 'cursor'] as const).find((name) => str(body[name]) !== undefined);
      if (next === undefined || body.connections.length === 0) break;
      query = { ...query, [next]: str(body[next]) };
    }
    return [...found.values()];
  };

  let last: { at: number; promise: Promise<MatonConnection[]> } | undefined;
  const recent: Connections['recent'] = (maxAgeMs, how) => {
    if (last === undefined || performance.now() - last.at > maxAgeMs) {
      const promise = listAll(undefined, how);
      const entry = { at: performance.now(), promise };
      last = entry;
      // A failure is told to those who wait, and kept from those who come later.
      promise.catch(() => {
        if (last === entry) last = undefined;
      });
    }
    return last.promise;
  };

  return {
    list: (onAttempt) => listAll(onAttempt),
    recent,
    create: async (onAttempt) => {
      const json = { app: 'wati' };
      const call = control({ operation: 'createConnection', method: 'POST', path: '/connections', json });
      const raw = unwrap(controlBody(await transport.attempt(call, undefined, onAttempt)));
      const connection = readConnection(raw);
      if (!connection) throw strange();
      last = undefined;
      const url = str(raw.url) ?? str(raw.authorization_url);
      return { connection, ...(url !== undefined && { authorizationUrl: url }) };
    },
    get: async (id, onAttempt) => {
      const call = control({ operation: 'getConnection', method: 'GET', path: `/connections/${id}` });
      const connection = readConnection(unwrap(controlBody(await transport.read(call, undefined, onAttempt))));
      if (!connection) throw strange();
      return connection;
    },
    remove: async (id, onAttempt) => {
      const call = control({ operation: 'deleteConnection', method: 'DELETE', path: `/connections/${id}` });
      // Content undocumented: 200, 202, 204 and an empty body are all success (upstream.md 2.2).
      controlBody(await transport.attempt(call, undefined, onAttempt), true);
      last = undefined;
    },
  };
}

/** The control API's answer, or its Problem: 401 and 403 alike mean that the key is refused (upstream.md 2.4). */
function controlBody(answer: Attempt, mayBeEmpty = false): unknown {
  if (answer.kind === 'failed') throw unreachable(answer);
  const { status, text } = answer;
  const body = parseJson(text);
  if (status >= 200 && status < 300) {
    // Empty is success where content is not documented; a page of the edge is not.
    if (body === undefined && !(mayBeEmpty && text.trim() === '')) throw strange(status);
    return body;
  }
  if (status === 401 || status === 403)
    throw new Problem('upstream-unauthorized', keyRefused, { upstream: { status } });
  if (status === 404) throw new Problem('not-found', 'there is no such connection');
  throw statusProblem(answer, reasonOf(body, text));
}

export const keyRefused = 'Maton refuses the key of this service; an operator must renew it';

/** Clients have met the object wrapped and bare (upstream.md 2.2). */
const unwrap = (body: unknown): JsonObject => {
  const inner = isObject(body) ? (body.connection ?? body) : undefined;
  return isObject(inner) ? inner : {};
};

function readConnection(raw: unknown): MatonConnection | undefined {
  if (!isObject(raw)) return undefined;
  const id = str(raw.connection_id) ?? str(raw.id);
  const status = str(raw.status)?.toUpperCase();
  if (id === undefined || status === undefined) return undefined;
  const createdAt = isoDate(raw.creation_time) ?? isoDate(raw.created_at) ?? new Date(0).toISOString();
  const method = str(raw.method);
  const updatedAt = isoDate(raw.last_updated_time) ?? isoDate(raw.updated_at) ?? createdAt;
  return { id, status, createdAt, updatedAt, ...(method !== undefined && { method }) };
}
