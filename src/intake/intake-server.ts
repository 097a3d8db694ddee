import type { RequestListener, Server } from 'node:http';
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { drain } from '../../plugins/drain.ts';
import { lingeringClose } from '../../plugins/lingering-close.ts';
import { requestValidation } from '../../plugins/request-validation.ts';
import { clientErrorHandler } from '../http/client-errors.ts';
import { watchConnections } from '../http/connections.ts';
import { sendContinue } from '../http/expect-continue.ts';
import { oneAtATime } from '../http/one-at-a-time.ts';
import { schemaController } from '../http/schema-controller.ts';
import { createHttpServer } from '../lib/create-http-server.ts';
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
  /** Whether recording is so far behind that one more webhook would be refused. Its body is then not read. */
  isFull: () => boolean;
  /** Reads and answers one webhook. Calls `release` once, as soon as it holds none of the body's memory any more. */
  take: (source: IntakeSource, bytes: Buffer, release: Release) => Promise<Taken>;
  /** Called for a body that was not read: it is too long, or the memory for bodies is used up. */
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
 * The public listener for WATI's webhooks. It has no other route, and answers every request without a valid token alike, so
 * that its paths stay hidden. A body that cannot be read, and that a repeat would not change, is answered 200: WATI switches a
 * webhook off after too many failed posts in a row.
 */
export async function createIntakeServer(options: IntakeServerOptions): Promise<FastifyInstance> {
  const app = Fastify({
    // Fastify's own log lines contain the address, and the address contains the token.
    logger: false,
    serverFactory: openServer,
    schemaController,
    exposeHeadRoutes: false,
    return503OnClosing: false,
    clientErrorHandler: clientErrorHandler(),
  });
  await app.register(lingeringClose, { timeoutMs: 10_000, bytesMax: 16 * 1024 * 1024 });
  await app.register(requestValidation);
  await app.register(drain, { delayMs: 0, timeoutMs: options.closeMs, onDrain: () => {}, cutOff: () => {} });
  app.setErrorHandler((error, _request, reply) => refuse(error, reply, options));
  // Runs as a hook, because Fastify rejects a body by its content type before it calls the handler.
  app.addHook('onRequest', createRequestHandler(options));
  return app;
}

function openServer(handler: RequestListener): Server {
  const server = createHttpServer(
    // plugins/request-validation.ts refuses a request without a Host, with a response of its own.
    { headersTimeout: 10_000, keepAliveTimeout: 5_000, connectionsCheckingInterval: 1_000, requireHostHeader: false },
    oneAtATime((request, response) => {
      hideToken(request);
      handler(request, response);
    }),
  );
  // src/intake/read-body.ts sets the deadline of a body.
  server.requestTimeout = 0;
  // `100 Continue` is sent only to requests with a valid token; plugins/request-validation.ts refuses any other `Expect`.
  const take: RequestListener = (request, response) => void server.emit('request', request, response);
  server.on('checkContinue', take);
  server.on('checkExpectation', take);
  // WATI posts from few addresses, and behind a proxy all requests come from one: a limit by address would hit WATI itself.
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

/**
 * Limits requests without a valid token, over all senders together. Tokens have 32 random bytes, so guessing is hopeless; the
 * limit bounds the cost of the answers.
 */
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
  // Answers 503 to an internal error: WATI repeats the webhook for a day, and by then the error may be gone.
  if (!(error instanceof Problem)) onError(error);
  return comeAgain(reply);
}
