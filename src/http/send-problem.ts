import type { FastifyContextConfig, FastifyReply, FastifyRequest } from 'fastify';
import type { Problem } from '../problem.ts';
import { type ProblemSlug, problemTypes } from '../problem-types.ts';
import { requestLogOf, shownId } from './request-log.ts';

export function sendProblem(problem: Problem, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const { slug, status, extras } = problem;
  const trace = requestLogOf(request);
  trace.problem = slug;
  if (extras.outcome !== undefined) trace.outcome = extras.outcome;
  if (extras.cause instanceof Error) trace.error = extras.cause;
  if (extras.retryAfterS !== undefined) reply.header('retry-after', String(extras.retryAfterS));
  reply.header('cache-control', 'no-store');
  if (extras.headers) reply.headers(extras.headers);
  return reply
    .code(status)
    .type('application/problem+json')
    .serializer(JSON.stringify)
    .send(
      problemDocument(problem, {
        instance: instanceOf(request.url),
        requestId: shownId(request),
        base: request.server.problemBase(request.raw),
        detail: withAssurance(problem, request.routeOptions.config),
      }),
    );
}

const instanceMax = 256;

/** The path that was called, without its query and no longer than a log line bears. */
function instanceOf(url: string): string {
  const path = (url.split('?', 1)[0] ?? '/').replace(/[^!-~]/g, '?');
  return path.length > instanceMax ? `${path.slice(0, instanceMax)}...` : path;
}

/** Problems that are thrown before anything is sent. On routes that send messages, the answer adds "nothing was sent". */
const refusedFirst: ReadonlySet<ProblemSlug> = new Set([
  'validation-failed',
  'template-parameters-invalid',
  'rate-limited',
  'overloaded',
  'shutting-down',
]);

const nothingSent = 'nothing was sent';

function withAssurance(
  { slug, message, extras }: Problem,
  { sendsMessage, maySendMessage }: FastifyContextConfig,
): string {
  const assures = (sendsMessage || maySendMessage) && refusedFirst.has(slug) && extras.outcome !== 'unknown';
  return assures && !message.includes(nothingSent) ? `${message}; ${nothingSent}` : message;
}

interface ProblemContext {
  instance: string;
  requestId: string;
  /** The detail of the problem by default. */
  detail?: string;
  base: string;
}

/** The wire form of a Problem. `instance` is the path called, without its query. */
export function problemDocument(
  { slug, status, message, extras, retryable }: Problem,
  { instance, requestId, detail = message, base }: ProblemContext,
) {
  const { outcome, errors, upstream } = extras;
  return {
    type: `${base}/problems/${slug}`,
    title: problemTypes[slug].title,
    status,
    detail,
    instance,
    requestId,
    retryable,
    ...(outcome && { outcome }),
    ...(errors && { errors }),
    ...(upstream && { upstream }),
  };
}
