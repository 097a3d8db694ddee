import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import { type FieldError, Problem } from '../src/problem.ts';
import { type ProblemSlug, problemTypes } from '../src/problem-types.ts';
import { shownId, traceOf } from './access-log.ts';

/** Every failure becomes `application/problem+json` (contract 5): Problems, validation, Fastify's own errors, the rest. */
export const problems = fp(async (app) => {
  app.setErrorHandler((error, request, reply) => sendProblem(toProblem(error), request, reply));
  app.setNotFoundHandler((request, reply) =>
    sendProblem(new Problem('not-found', 'there is no such path'), request, reply),
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
    .send(problemDocument(problem, request.url.split('?', 1)[0] ?? '/', shownId(request)));
}

/** The wire form of a Problem. `instance` is the path called, without its query. */
export function problemDocument(
  { slug, status, message, extras, retryable }: Problem,
  instance: string,
  requestId: string,
) {
  const { outcome, errors, upstream } = extras;
  return {
    type: `/problems/${slug}`,
    title: problemTypes[slug].title,
    status,
    detail: message,
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

function toProblem(error: unknown): Problem {
  if (error instanceof Problem) return error;
  if (!isFastifyError(error)) return internal(error);
  if (error.validation) return validationProblem(error);
  const status = error.statusCode ?? 500;
  if (status < 400 || status >= 500) return internal(error);
  const slug = byCode[error.code] ?? (status === 413 ? 'payload-too-large' : 'malformed-request');
  // Fastify's texts for these name the fault and nothing of ours; a body's content is not in them.
  return new Problem(slug, details[slug] ?? plain(error), { cause: error });
}

const details: Partial<Record<ProblemSlug, string>> = {
  'payload-too-large': 'the body is over the limit of this operation',
  'unsupported-media-type': 'the Content-Type is missing, or not one that this operation takes',
};

const isFastifyError = (error: unknown): error is FastifyError => error instanceof Error && 'code' in error;

const internal = (cause: unknown) => new Problem('internal', 'the fault is logged under this requestId', { cause });

function plain(error: FastifyError): string {
  // JSON.parse quotes what it stumbles over, which may be message text.
  if (error instanceof SyntaxError || /JSON/.test(error.message)) return 'the body is not valid JSON';
  return error.message;
}

const places: Record<string, string> = { body: '', querystring: '/query', params: '/path', headers: '/headers' };

function validationProblem(error: FastifyError): Problem {
  const place = places[error.validationContext ?? 'body'] ?? '';
  const errors = new Map<string, FieldError>();
  for (const { instancePath, keyword, message, params } of error.validation ?? []) {
    // The branches of a union are told by their own faults.
    if (keyword === 'anyOf' || keyword === 'if') continue;
    const property = params.missingProperty ?? params.additionalProperty ?? params.propertyName;
    const name = typeof property === 'string' ? `/${property.replaceAll('~', '~0').replaceAll('/', '~1')}` : '';
    const pointer = `${place}${instancePath}${name}`;
    const detail = inWords(keyword, message ?? 'is not valid', params);
    if (errors.size < 100) errors.set(`${pointer} ${detail}`, { pointer, detail });
  }
  const count = errors.size;
  const detail = `${count} fault${count === 1 ? '' : 's'} in the request; nothing was sent`;
  return new Problem('validation-failed', detail, { errors: [...errors.values()] });
}

function inWords(keyword: string, message: string, params: Record<string, unknown>): string {
  if (keyword === 'required') return 'is required';
  if (keyword === 'additionalProperties') return 'is not known here';
  if (keyword === 'minProperties') return 'must have at least one of its properties';
  if (keyword === 'not') return 'is a value that is not taken here';
  if (keyword === 'enum' && Array.isArray(params.allowedValues))
    return `must be one of ${params.allowedValues.join(', ')}`;
  if (keyword === 'pattern') return 'does not have the form that the API description asks for here';
  return limitWords(keyword, Number(params.limit)) ?? message;
}

function limitWords(keyword: string, limit: number): string | undefined {
  if (keyword === 'minLength') return limit === 1 ? 'must not be blank' : `must have at least ${limit} characters`;
  if (keyword === 'maxLength') return `must have at most ${limit} characters`;
  if (keyword === 'minItems') return limit === 1 ? 'must not be an empty list' : `must have at least ${limit} entries`;
  if (keyword === 'maxItems') return `must have at most ${limit} entries`;
  return undefined;
}
