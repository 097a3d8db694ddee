import { createServer, type RequestListener, type Server } from 'node:http';
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { drain } from '../../plugins/drain.ts';
import { lingeringClose } from '../../plugins/lingering-close.ts';
import { requestValidation } from '../../plugins/request-validation.ts';
import { clientErrorHandler } from '../http/client-errors.ts';
import { watchConnections } from '../http/connections.ts';
import { sendContinue } from '../http/expect-continue.ts';
import { oneAtATime } from '../http/one-at-a-time.ts';
import type { Release, SharedPool } from '../pools/shared-pool.ts';
import { Problem } from '../problem.ts';
import { acquire } from '../rate-limit/gcra.ts';
import { hiddenToken, hideToken } from './address.ts';
import { readBody } from './read-body.ts';
import type { IntakeSource, IntakeTokens } from './tokens.ts';

/** Takes a webhook with a valid token. */
export interface Taken {
  readonly status: 200 | 503;
  readonly body?: Readonly<Record<string, number>>;
}

export interface IntakeServerOptions {
  tokens: Pick<IntakeTokens, 'find'>;
  /** Whether one more webhook would be refused anyway, so that its body need not be read. */
  isFull: () => boolean;
  /** Calls `release` when nothing of the body is held any more, whatever becomes of it. */
  take: (source: IntakeSource, bytes: Buffer, release: Release) => Promise<Taken>;
  /** A body that is too long, or for which there is no room now. */
  onUnread: (source: IntakeSource, why: 'too-large' | 'no-room') => void;
  onBadToken: () => void;
  onError: (error: unknown) => void;
  bodies: SharedPool;
  bytesMax: number;
  /** Time-out of the shutdown, ms. */
  closeMs: number;
  bodyTimeoutMs?: number;
  /** Requests without a valid token per second, from all addresses together; further ones are closed unanswered. */
  wrongPerSecond?: number;
  /** Steady milliseconds. */
  clock?: () => number;
}

const connectionsMax = 256;

/** Seconds: WATI repeats a webhook every ten minutes. */
const retryAfter = '600';

/**
 * The public listener: WATI's webhooks, and nothing else. Without a token it reveals nothing, not even its paths. A body that a
 * repeat would not fix is answered 200, because failures in a row switch a webhook off.
 */
export async function createIntakeServer(options: IntakeServerOptions): Promise<FastifyInstance> {
  const app = Fastify({
    // Fastify's own lines quote the request.
    logger: false,
    serverFactory: openServer,
    exposeHeadRoutes: false,
    return503OnClosing: false,
    clientErrorHandler: clientErrorHandler(),
  });
  await app.register(lingeringClose, { timeoutMs: 10_000, bytesMax: 16 * 1024 * 1024 });
  await app.register(requestValidation);
  await app.register(drain, { delayMs: 0, timeoutMs: options.closeMs, onDrain: () => {}, cutOff: () => {} });
  app.setErrorHandler((error, _request, reply) => refuse(error, reply, options));
  // In a hook, because Fastify refuses a body by its content type before a handler runs.
  app.addHook('onRequest', createRequestHandler(options));
  return app;
}

function openServer(handler: RequestListener): Server {
  const server = createServer(
    // A missing Host is refused by the request guard.
    { headersTimeout: 10_000, keepAliveTimeout: 5_000, connectionsCheckingInterval: 1_000, requireHostHeader: false },
    oneAtATime((request, response) => {
      hideToken(request);
      handler(request, response);
    }),
  );
  // Bodies have a deadline of their own.
  server.requestTimeout = 0;
  // `100 Continue` is for those with a token; any other expectation is refused by the request guard.
  const take: RequestListener = (request, response) => void server.emit('request', request, response);
  server.on('checkContinue', take);
  server.on('checkExpectation', take);
  // WATI's webhooks come from few addresses: its own, or those of a proxy in front.
  const connections = watchConnections(server, { max: connectionsMax, perAddress: 100 });
  server.on('close', () => connections.close());
  return server;
}

function createRequestHandler(options: IntakeServerOptions) {
  const isFlood = createFlood(options.wrongPerSecond ?? 20, options.clock ?? (() => performance.now()));
  return async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    const { method, raw } = request;
    const source = options.tokens.find(hiddenToken(raw));
    if (source !== undefined && method === 'POST') return takeWebhook(options, source, reply);
    if (source !== undefined && method === 'GET') return reply.type('text/plain; charset=utf-8').send('ok');
    if (source === undefined) {
      options.onBadToken();
      if (isFlood()) {
        raw.socket.destroy();
        return reply.hijack();
      }
    }
    return reply.code(404).send();
  };
}

/** One limit over all senders, which keeps the cost of answers bounded: 32 random bytes cannot be guessed anyway. */
function createFlood(perSecond: number, clock: () => number): () => boolean {
  let arrivalTime = Number.NEGATIVE_INFINITY;
  return () => {
    const permit = acquire(arrivalTime, clock(), { perSecond, burst: perSecond });
    arrivalTime = permit.arrivalTime;
    return permit.waitMs > 0;
  };
}

async function takeWebhook(
  options: IntakeServerOptions,
  source: IntakeSource,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const { raw } = reply.request;
  if (options.isFull()) {
    options.onUnread(source, 'no-room');
    return comeAgain(reply);
  }
  sendContinue(reply);
  const { bodies: pool, bytesMax, bodyTimeoutMs: timeoutMs = 10_000 } = options;
  const taken: Release[] = [];
  const release = () => {
    for (const piece of taken) piece();
  };
  const body = await readBody(raw, { bytesMax, timeoutMs, pool, holder: source.name, taken });
  if (typeof body !== 'string') {
    try {
      const { status, body: counts } = await options.take(source, body, release);
      return status === 503 ? comeAgain(reply) : reply.send(counts);
    } catch (error) {
      release();
      throw error;
    }
  }
  release();
  reply.header('connection', 'close');
  if (body === 'broken' || body === 'late') return reply.code(400).send();
  options.onUnread(source, body);
  return body === 'no-room' ? comeAgain(reply) : reply.send({ received: 0, ignored: 1 });
}

const comeAgain = (reply: FastifyReply) => reply.code(503).header('retry-after', retryAfter).send();

function refuse(error: unknown, reply: FastifyReply, { onError }: IntakeServerOptions): FastifyReply {
  if (error instanceof Problem && error.status < 500) {
    return reply.code(error.status).header('connection', 'close').send();
  }
  // An internal error may pass: WATI repeats a webhook for a day.
  if (!(error instanceof Problem)) onError(error);
  return comeAgain(reply);
}
