import { isLoopback } from '../lib/loopback.ts';
import { Problem } from '../problem.ts';
import { reasonOf } from './answers/reason.ts';
import { denialIn } from './answers/refusal.ts';
import { isExplainedByStatus, keyEchoed, statusProblem, unreachable, unrecognizedResponse } from './client.ts';
import { type CacheEntry, isUsable, queueKey, remainingMs } from './permits.ts';
import type { ReadCoalescer, ReadContext } from './request-coalescing.ts';
import { asArray, asString, isObject, isoDate, type JsonObject, parseJson } from './tolerant-reader.ts';
import type { Transport } from './transport.ts';
import type { Call, HttpResult } from './types.ts';

/** A connection as Maton's control API describes it. Its `url` contains a session token, a secret that is left out here. */
export interface MatonConnection {
  id: string;
  status: string;
  method?: string;
  createdAt: string;
  updatedAt: string;
}

export interface Connections {
  /** Every WATI connection of the account, paging followed. Throws a Problem. */
  list(reader: ReadContext): Promise<MatonConnection[]>;
  /** The same list, at most `maxAgeMs` old; concurrent callers share one call. `once`: without retries. */
  recent(maxAgeMs: number, how?: Pick<ReadContext, 'priority'> & { once?: boolean }): Promise<MatonConnection[]>;
  /** The ids in the last complete list, with connections that were created and deleted here since; undefined before the first list. */
  readonly known: ReadonlySet<string> | undefined;
  create(writer: WriteContext): Promise<{ connection: MatonConnection; authorizationUrl?: string }>;
  /** One connection. Throws `not-found` for connections of other apps as well. */
  get(id: string, reader: ReadContext): Promise<MatonConnection>;
  /** Deletes a connection. Throws `not-found` for connections of other apps, before anything is deleted. */
  remove(id: string, writer: WriteContext): Promise<void>;
}

type ReadCall = Pick<Call, 'operation' | 'path' | 'query'>;
type WriteContext = Pick<ReadContext, 'priority' | 'deadline' | 'onAttempt'>;

/** `connectHosts`: hosts to which a person may be sent to authorize an account. */
export function createConnections(
  transport: Transport,
  reads: ReadCoalescer,
  connectHosts: readonly string[],
): Connections {
  const read = (call: ReadCall, reader: ReadContext) => reads.read({ ...call, host: 'control', method: 'GET' }, reader);
  const write = (call: Pick<Call, 'operation' | 'method' | 'path' | 'json'>, writer: WriteContext) => {
    const { priority, deadline, onAttempt } = writer;
    const whole: Call = { ...call, host: 'control', ...(priority && { priority }) };
    return transport.execute(whole, remainingMs(deadline), onAttempt);
  };

  let known: Set<string> | undefined;

  const listAll = async (reader: ReadContext & { once?: boolean }): Promise<MatonConnection[]> => {
    const { found, isWhole } = await readPages((call) =>
      reader.once ? transport.execute({ ...call, host: 'control', method: 'GET' }) : read(call, reader),
    );
    if (isWhole) known = new Set(found.keys());
    return [...found.values()];
  };

  const get: Connections['get'] = async (id, reader) => {
    const call = { operation: 'getConnection', path: `/connections/${id}` };
    const raw = unwrap(controlBody(await read(call, reader)));
    if (!isOfWati(raw)) throw unknownConnection();
    const connection = readConnection(raw);
    // The answer is for another connection than the requested one, which must not be mistaken for it.
    if (!connection || connection.id !== id) throw unrecognizedResponse();
    return connection;
  };

  let last: (CacheEntry & { list: Promise<MatonConnection[]> }) | undefined;
  const recent: Connections['recent'] = (maxAgeMs, how = {}) => {
    if (last && isUsable(last, maxAgeMs, how.priority)) return last.list;
    const load: CacheEntry = { loadedAt: performance.now(), queue: queueKey(how.priority), isDispatched: false };
    const begun = () => {
      load.isDispatched = true;
    };
    const entry = Object.assign(load, { list: listAll({ ...how, onDispatched: begun }) });
    last = entry;
    // A failure is not cached.
    entry.list.then(begun, () => {
      if (last === entry) last = undefined;
    });
    return entry.list;
  };

  return {
    list: listAll,
    recent,
    get known() {
      return known;
    },
    create: async (writer) => {
      const json = { app: 'wati' };
      const call = { operation: 'createConnection', method: 'POST', path: '/connections', json } as const;
      const raw = unwrap(controlBody(await write(call, writer)));
      const connection = readConnection(raw);
      if (!connection) throw unrecognizedResponse();
      last = undefined;
      known?.add(connection.id);
      const url = asString(raw.url) ?? asString(raw.authorization_url);
      return { connection, ...(url !== undefined && { authorizationUrl: pageOf(url, connectHosts) }) };
    },
    get,
    remove: async (id, writer) => {
      await get(id, writer);
      const call = { operation: 'deleteConnection', method: 'DELETE', path: `/connections/${id}` } as const;
      // The content of the answer is not documented: 200, 202, 204 and an empty body are all success.
      controlBody(await write(call, writer), true);
      last = undefined;
      known?.delete(id);
    },
  };
}

/** Reads page by page. `isWhole` is false if there are more pages than are read. */
async function readPages(read: (call: ReadCall) => Promise<HttpResult>) {
  const found = new Map<string, MatonConnection>();
  let query: Call['query'] = { app: 'wati', limit: 100 };
  let isWhole = false;
  for (let pages = 0; pages < 20 && !isWhole; pages++) {
    const call = { operation: 'listConnections', path: '/connections', query };
    const body = controlBody(await read(call));
    // A missing list is an unknown form of answer; an empty list means that there are no connections.
    if (!isObject(body) || !Array.isArray(body.connections)) throw unrecognizedResponse();
    for (const connection of asArray(body.connections).filter(isOfWati).map(readConnection)) {
      if (connection) found.set(connection.id, connection);
    }
    const next = (['next_token', 'cursor'] as const).find((name) => asString(body[name]) !== undefined);
    isWhole = next === undefined || body.connections.length === 0;
    if (next !== undefined) query = { ...query, [next]: asString(body[next]) };
  }
  return { found, isWhole };
}

/**
 * The control API's answer, or its Problem. 401 and 403 both mean that the key is refused, unless the answer is an HTML page of
 * the edge.
 */
function controlBody(answer: HttpResult, mayBeEmpty = false): unknown {
  if (answer.kind === 'failed') throw unreachable(answer, 'control');
  const { status, text } = answer;
  if (answer.containedKey && !isExplainedByStatus(status)) throw keyEchoed(status);
  const body = parseJson(text);
  if (status >= 200 && status < 300) {
    // An empty body is a success for answers whose content is not documented; an HTML page of the edge is not.
    if (body === undefined && !(mayBeEmpty && text.trim() === '')) throw unrecognizedResponse(status);
    return body;
  }
  if (status === 404) throw unknownConnection();
  const detail = reasonOf(body, text);
  if (status === 401 || status === 403) {
    if (answer.containedKey || denialIn(status, body, text) !== 'edge')
      throw new Problem('upstream-unauthorized', keyRefused, { upstream: { status } });
    throw new Problem('upstream-rejected', 'what stands in front of Maton does not let this call pass', {
      upstream: { status, detail },
    });
  }
  throw statusProblem(answer, detail);
}

const unknownConnection = () => new Problem('not-found', 'there is no such connection');

export const keyRefused = 'Maton refuses the key of this service; an operator must renew it';

/** Both forms were seen by real clients: the object in `connection`, and bare. */
const unwrap = (body: unknown): JsonObject => {
  const inner = isObject(body) ? (body.connection ?? body) : undefined;
  return isObject(inner) ? inner : {};
};

/** A Maton account also has connections of other apps, which callers must not see. */
function isOfWati(raw: unknown): boolean {
  const app = isObject(raw) ? asString(raw.app) : undefined;
  return app === undefined || app.toLowerCase() === 'wati';
}

/** Checked because the id becomes part of our addresses and a header of upstream calls. */
const connectionId = /^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$/;
const words = /^[A-Za-z0-9_-]{1,32}$/;

/** Undefined if there is no id or status; throws if they have no valid form. */
function readConnection(raw: unknown): MatonConnection | undefined {
  if (!isObject(raw)) return undefined;
  const id = asString(raw.connection_id) ?? asString(raw.id);
  const status = asString(raw.status)?.toUpperCase();
  if (id === undefined || status === undefined) return undefined;
  if (!connectionId.test(id) || !words.test(status)) throw unrecognizedResponse();
  const createdAt = isoDate(raw.creation_time) ?? isoDate(raw.created_at) ?? new Date(0).toISOString();
  const named = asString(raw.method);
  const method = named !== undefined && words.test(named) ? named : undefined;
  const updatedAt = isoDate(raw.last_updated_time) ?? isoDate(raw.updated_at) ?? createdAt;
  return { id, status, createdAt, updatedAt, ...(method !== undefined && { method }) };
}

/** An address for a person to open. Throws a Problem unless it is one of Maton's pages over https, or http on loopback. */
function pageOf(address: string, hosts: readonly string[]): string {
  const url = address.length <= 2_048 && /^[!-~]+$/.test(address) ? URL.parse(address) : null;
  const isSafe = url?.protocol === 'https:' || (url?.protocol === 'http:' && isLoopback(url.hostname));
  if (!url || !isSafe || url.username !== '' || url.password !== '' || !hosts.includes(url.host))
    throw unrecognizedResponse();
  return url.href;
}
