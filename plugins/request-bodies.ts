import type { RequestListener } from 'node:http';
import type { FastifyReply, FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import { hasBody, sendContinue } from '../src/http/expect-continue.ts';
import { untilAnswered } from '../src/http/until-answered.ts';
import { takeOrRefuse } from '../src/pools/refusal.ts';
import type { SharedPool } from '../src/pools/shared-pool.ts';
import { Problem } from '../src/problem.ts';

/** Deadline for a JSON body, ms. Streamed bodies have the limits of their routes. */
const bodyTimeoutMs = 30_000;

/** Sends `100 Continue` (RFC 9110, 10.1.1) only after authorization, when the handler is about to read the body, and aborts slow bodies. */
export const requestBodies = fp(
  async (app, { bodies }: { bodies: SharedPool }) => {
    const take: RequestListener = (request, response) => {
      app.server.emit('request', request, response);
    };
    app.server.on('checkContinue', take);
    // plugins/request-validation.ts refuses any other expectation, because Node's own 417 is no problem document.
    app.server.on('checkExpectation', take);

    app.addHook('onRequest', (request, _reply, done) => {
      // Without a body its type has no meaning: some clients send Content-Type on every request.
      if (!hasBody(request) && !request.routeOptions.config.streams) delete request.headers['content-type'];
      done();
    });

    app.addHook('preValidation', (request, _reply, done) => {
      // If all properties are optional, no body counts as an empty object.
      if (request.body === undefined && wantsNothing(request.routeOptions.schema?.body)) request.body = {};
      done();
    });

    app.addHook('preParsing', (...[request, reply, , done]) => {
      if (!hasBody(request)) return done();
      assertPlain(request);
      if (!request.routeOptions.config.streams) {
        takeBytes(request, reply, bodies);
        sendContinue(reply);
        const timer = setTimeout(() => request.raw.destroy(), bodyTimeoutMs).unref();
        request.raw.once('close', () => clearTimeout(timer));
      }
      done();
    });
  },
  { name: 'request-bodies', dependencies: ['auth', 'lingering-close'] },
);

function wantsNothing(schema: unknown): boolean {
  if (typeof schema !== 'object' || schema === null) return false;
  const required = 'required' in schema && Array.isArray(schema.required) && schema.required.length > 0;
  return !required && !('minProperties' in schema);
}

/** Bodies are not decompressed, so a compressed one is refused instead of being misread. */
function assertPlain({ headers }: FastifyRequest): void {
  const coding = headers['content-encoding']?.trim();
  if (coding === undefined || coding === '' || coding.toLowerCase() === 'identity') return;
  const detail = `the Content-Encoding ${JSON.stringify(coding.slice(0, 40))} is not taken here; send the body as it is, without that header`;
  throw new Problem('unsupported-media-type', detail, { headers: { 'accept-encoding': 'identity' } });
}

/** Bodies up to this size cost so little once they are parsed that their bytes are released at once. */
const smallBytes = 256 * 1024;

/**
 * Reserves the announced size of a body in the shared pool of bytes before the body is read. Without this, large bodies that
 * arrive slowly over many connections would fill the memory. A large body keeps its reservation until the response, because the
 * objects parsed from it are larger still.
 */
function takeBytes(request: FastifyRequest, reply: FastifyReply, bodies: SharedPool): void {
  const { bodyLimit } = request.routeOptions;
  const declared = request.headers['content-length'];
  const bytes = declared === undefined ? bodyLimit : Number(declared);
  if (bytes > bodyLimit) throw new Problem('payload-too-large', 'the body is over the limit of this operation');
  // Routes without a key take no body.
  const release = takeOrRefuse(bodies, request.caller?.id ?? 'none', { amount: bytes });
  if (bytes <= smallBytes) request.raw.once('end', release);
  untilAnswered(reply, release);
}
