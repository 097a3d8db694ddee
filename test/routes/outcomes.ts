import type { Scripted } from '../../src/simulator/faults.ts';
import type { Operation } from '../../src/simulator/operations.ts';
import type { Simulator } from '../../src/simulator/simulator.ts';
import { slugOf } from '../support/json.ts';
import type { Answer, Ask, Service } from '../support/service.ts';

export const seededConnection = '21fd90f9-5935-43cd-b6c8-bde9d915ca80';

export const htmlPage = '<!DOCTYPE html><html><body><h1>Bad gateway at live-mt-server.wati.io</h1></body></html>';

/** One route of ours and the call upstream that stands behind it. */
export interface Subject {
  name: string;
  method: string;
  path: string;
  operation: Operation;
  ask?: Ask;
  /** The status of its success; 200 if absent. */
  success?: number;
}

/** What a caller sees of one call, and what the upstream got of it. */
export interface Seen {
  status: number;
  /** Of a problem, the last part of `type`. */
  slug?: string;
  outcome?: string;
  retryable?: boolean;
  /** Of a message. */
  is?: string;
  retryAfter?: string;
  upstreamStatus?: number;
  requests: number;
  processed: number;
}

/** Lays a fault down; `operation` is the one that the subject calls. */
export type Arrange = (simulator: Simulator, operation: Operation) => void | Promise<void>;

export const once =
  (answer: Scripted): Arrange =>
  (simulator, operation) =>
    simulator.script(operation, answer);

/** More often than any call may be repeated. */
export const always =
  (answer: Scripted): Arrange =>
  (simulator, operation) =>
    simulator.script(operation, ...Array<Scripted>(8).fill(answer));

export async function askFor(service: Service, { method, path, ask }: Subject, headers: Record<string, string> = {}) {
  return service.ask(method, path, {
    ...ask,
    headers: { 'maton-connection': seededConnection, ...ask?.headers, ...headers },
  });
}

/** The id of the message that an answer is about. */
export const idOf = ({ headers }: Answer) => text(headers.location)?.replace('/v1/messages/', '') ?? 'no location';

export function seen(answer: Answer, simulator: Simulator, operation: Operation): Seen {
  const entries = simulator.ledger.of(operation);
  const counts = {
    requests: entries.length,
    processed: entries.filter((entry) => entry.processed).length,
  };
  const retryAfter = answer.headers['retry-after'];
  const body = fields(answer.json);
  const isProblem = /^application\/problem\+json/.test(String(answer.headers['content-type']));
  const upstreamStatus = fields(body.upstream).status;
  return {
    status: answer.status,
    ...(isProblem
      ? {
          slug: slugOf(body) ?? 'no type',
          retryable: body.retryable === true,
          ...(text(body.outcome) !== undefined && { outcome: text(body.outcome) ?? '' }),
          ...(typeof upstreamStatus === 'number' && { upstreamStatus }),
        }
      : text(body.kind) !== undefined && { is: text(body.status) ?? '' }),
    ...(typeof retryAfter === 'string' && { retryAfter }),
    ...counts,
  };
}

export function fields(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? { ...value } : {};
}

export const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);

/** Every header that a request to the gateway may carry; `more` for a body. */
export const upstreamHeaders = (service: Service, connection: 'close' | 'keep-alive', more: object = {}) => ({
  host: new URL(service.simulator.gatewayUrl).host,
  connection,
  authorization: 'ok',
  accept: 'application/json',
  'user-agent': 'wati-bff/0.1',
  'maton-connection': seededConnection,
  ...more,
});

/** What a caller, or a proxy before us, may send along; none of it is for the upstream. */
export const callersOwnHeaders = {
  cookie: 'session=1',
  'x-forwarded-for': '10.1.2.3',
  'x-request-id': 'caller-1',
  traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
  baggage: 'a=b',
  'idempotency-key': 'order-1',
  'accept-encoding': 'gzip, br',
  'accept-language': 'de',
  'user-agent': 'billing/1.0',
  accept: '*/*',
};
