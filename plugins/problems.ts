import type { FastifyError, FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import { watchPaths } from '../src/http/path-suggestions.ts';
import type { ProblemBase } from '../src/http/problem-base.ts';
import { sendProblem } from '../src/http/send-problem.ts';
import { invalid, Problem } from '../src/problem.ts';
import type { ProblemSlug } from '../src/problem-types.ts';
import { fieldErrors, type SchemaFault } from '../src/schemas/schema-errors.ts';

/** Turns every failure into `application/problem+json`: Problems, validation errors, Fastify's own errors, all others. */
export const problems = fp<{ problemBase: ProblemBase }>(
  async (app, { problemBase }) => {
    app.decorate('problemBase', problemBase);
    app.setErrorHandler((error, request, reply) => sendProblem(toProblem(error, request), request, reply));
    const near = watchPaths(app);
    app.setNotFoundHandler((request, reply) =>
      sendProblem(new Problem('not-found', `there is no such path${near(request.url)}`), request, reply),
    );
  },
  { name: 'problems', dependencies: ['access-log'] },
);

/** Fastify's error codes with a problem type of their own; any other 4xx of Fastify's is a malformed request. */
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
  // Fastify's messages for these name the fault and nothing internal, and do not contain the body.
  return new Problem(slug, details[slug] ?? plain(error), { cause: error });
}

const details: Partial<Record<ProblemSlug, string>> = {
  'payload-too-large': 'the body is over the limit of this operation',
};

/** Names the received Content-Type, if it has the form of one, and the expected one. */
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
  // The message of JSON.parse quotes the text, which may be that of a message.
  if (error instanceof SyntaxError || /JSON/.test(error.message)) return 'the body is not valid JSON';
  return error.message;
}

const places: Record<string, string> = { body: '', querystring: '/query', params: '/path', headers: '/headers' };

function validationProblem(error: FastifyError): Problem {
  const faults: readonly SchemaFault[] = error.validation ?? [];
  return invalid(fieldErrors(faults, places[error.validationContext ?? 'body'] ?? ''));
}
