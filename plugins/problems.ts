import type { FastifyContextConfig, FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import { invalid, Problem } from '../src/problem.ts';
import { type ProblemSlug, problemTypes } from '../src/problem-types.ts';
import { fieldErrors, type SchemaFault } from '../src/schema-words.ts';
import { shownId, traceOf } from './access-log.ts';
import { watchPaths } from './paths.ts';
import type { ProblemBase } from './problem-base.ts';

/** Every failure becomes `application/problem+json`: Problems, validation, Fastify's own errors, the rest. */
export const problems = fp<{ problemBase: ProblemBase }>(async (app, { problemBase }) => {
  app.decorate('problemBase', problemBase);
  app.setErrorHandler((error, request, reply) => sendProblem(toProblem(error, request), request, reply));
  const near = watchPaths(app);
  app.setNotFoundHandler((request, reply) =>
    sendProblem(new Problem('not-found', `there is no such path${near(request.url)}`), request, reply),
  );
});

export function sendProblem(problem: Problem, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const { slug, status, extras } = problem;
  const trace = traceOf(request);
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

/** Refused before anything is done. Where a message was to be sent, the answer says that it was not; a read has none to send. */
const refusedFirst: ReadonlySet<ProblemSlug> = new Set([
  'validation-failed',
  'template-parameters-invalid',
  'rate-limited',
  'overloaded',
  'shutting-down',
]);
const nothingSent = 'nothing was sent';

function withAssurance({ slug, message, extras }: Problem, { sends, maySend }: FastifyContextConfig): string {
  const assures = (sends || maySend) && refusedFirst.has(slug) && extras.outcome !== 'unknown';
  return assures && !message.includes(nothingSent) ? `${message}; ${nothingSent}` : message;
}

interface Told {
  instance: string;
  requestId: string;
  /** The problem's own words by default. */
  detail?: string;
  base: string;
}

/** The wire form of a Problem. `instance` is the path called, without its query. */
export function problemDocument(
  { slug, status, message, extras, retryable }: Problem,
  { instance, requestId, detail = message, base }: Told,
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

/** Fastify's codes that have a problem type of their own; any other 4xx of its is a malformed request. */
const byCode: Record<string, ProblemSlug> = {
  FST_ERR_CTP_BODY_TOO_LARGE: 'payload-too-large',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'unsupported-media-type',
  FST_ERR_NOT_FOUND: 'not-found',
};

function toProblem(error: unknown, request: FastifyRequest): Problem {
  if (error instanceof Problem) return error;
  if (!isFastifyError(error)) return internal(error);
  if (error.validation) return validationProblem(error);
  const status = error.statusCode ?? 500;
  if (status < 400 || status >= 500) return internal(error);
  const slug = byCode[error.code] ?? (status === 413 ? 'payload-too-large' : 'malformed-request');
  if (slug === 'unsupported-media-type') return new Problem(slug, typeFault(request), { cause: error });
  // Fastify's texts for these name the fault and nothing of ours; a body's content is not in them.
  return new Problem(slug, details[slug] ?? plain(error), { cause: error });
}

const details: Partial<Record<ProblemSlug, string>> = {
  'payload-too-large': 'the body is over the limit of this operation',
};

/** What came, where it has the form of a type, and what is wanted. */
function typeFault({ headers, routeOptions }: FastifyRequest): string {
  const wanted = `${routeOptions.config.form ? 'multipart/form-data' : 'application/json'} is wanted`;
  const type = headers['content-type'];
  if (type === undefined) return `no Content-Type came; ${wanted}`;
  const shown = /^[\w.+-]{1,60}\/[\w.+-]{1,60}(?=\s*(;|$))/.exec(type)?.[0];
  return shown === undefined ? `the Content-Type is no type; ${wanted}` : `the Content-Type is ${shown}; ${wanted}`;
}

const isFastifyError = (error: unknown): error is FastifyError => error instanceof Error && 'code' in error;

const internal = (cause: unknown) => new Problem('internal', 'the fault is logged under this requestId', { cause });

function plain(error: FastifyError): string {
  // JSON.parse quotes what it stumbles over, which may be message text.
  if (error instanceof SyntaxError || /JSON/.test(error.message)) return 'the body is not valid JSON';
  return error.message;
}

const places: Record<string, string> = { body: '', querystring: '/query', params: '/path', headers: '/headers' };

function validationProblem(error: FastifyError): Problem {
  const faults: readonly SchemaFault[] = error.validation ?? [];
  return invalid(fieldErrors(faults, places[error.validationContext ?? 'body'] ?? ''));
}
