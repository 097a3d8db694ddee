import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { FastifyReply } from 'fastify';
import { narrowed } from '../src/http/allowed-countries.ts';
import { callerOf } from '../src/http/authenticate.ts';
import { hasBody, sendContinue } from '../src/http/expect-continue.ts';
import { untilAnswered } from '../src/http/until-answered.ts';
import { Type } from '../src/lib/type.ts';
import { takeOrRefuse } from '../src/pools/refusal.ts';
import type { SharedPool } from '../src/pools/shared-pool.ts';
import { Problem } from '../src/problem.ts';
import { assertMayCallNative } from '../src/sending-rules.ts';
import { isPerilous, type NativePath, rotatesToken } from '../src/settings/native-paths.ts';
import { detached } from '../src/upload/detached.ts';
import { refusalFrom } from '../src/upstream/answer-start.ts';
import { type AuthDiagnosis, type CallContext, keyEchoed, refusedBy, unreachable } from '../src/upstream/client.ts';
import type { StreamingResponse, Streams } from '../src/upstream/streaming.ts';
import { passThroughHeaders, waitForFirstByte } from './media.ts';
import { abortOnDisconnect, type ResolveContext } from './request-context.ts';

interface Services {
  allowed: readonly NativePath[];
  /** Accepted countries for callers whose entry has no `countries`. */
  defaultCountries: readonly string[];
  streams: Streams;
  diagnosis: AuthDiagnosis;
  /** Capacity for streamed answers, by caller. */
  downloads: SharedPool;
  resolveContext: ResolveContext;
}

/** Only for the document. No path of WATI's is known to take another method, so the sandbox allows none: that is a 403. */
const starts: Record<string, { path: string; query: Readonly<Record<string, string>> }> = {
  POST: {
    path: 'api/v1/chatbots/start',
    query: { whatsappNumber: '14155550100', chatbotId: '6622a1f0c3b4d5e6f7a8b901' },
  },
};

/** Segments that are sent upstream as they are: no dot segments, no escapes, none empty. undici would resolve `/a/%2e%2e/b` to `/b`. */
const segmentPattern = /^(?!\.{1,2}$)[A-Za-z0-9._@+-]{1,256}$/;

export const passthrough: FastifyPluginAsyncTypebox<Services> = async (app, services) => {
  // The body is not parsed; it is streamed to WATI.
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', (_request, _body, done) => done(null));

  for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'] as const) {
    const { path, query } = starts[method] ?? { path: 'api/v1/chatbots', query: true as const };
    app.route({
      method,
      url: '/v1/native/*',
      config: {
        scope: 'native:call',
        connection: true,
        // WATI has many calls that send a message, and one that starts a chatbot.
        maySendMessage: method !== 'GET',
        passthroughQuery: query,
        streams: true,
        produces: '*/*',
        problems: ['sending-forbidden'],
      },
      schema: {
        operationId: method === 'GET' ? 'callNative' : `callNative${method[0]}${method.slice(1).toLowerCase()}`,
        tags: ['native'],
        summary: 'Call a native WATI path',
        description:
          'Streams the call through to WATI. Only the methods and paths that the operator named in `NATIVE_PATHS` are allowed. The status and body of WATI come back as they are: a 200 can be a failure, and nothing tells whether a message was sent twice. A 401 or 403 is a problem, because it is not about your key.',
        params: Type.Object({
          '*': Type.String({ description: 'the path', examples: [path] }),
        }),
      },
      handler: (request, reply) => passThrough(services, reply, request.params['*']),
    });
  }
};

async function passThrough(services: Services, reply: FastifyReply, wildcard: string) {
  const { allowed, defaultCountries, streams, downloads, resolveContext } = services;
  const { request } = reply;
  // HEAD calls GET.
  const method = request.method === 'HEAD' ? 'GET' : request.method;
  const path = nativePath(wildcard, method, allowed);
  const caller = callerOf(request);
  assertMayCallNative({ ...caller, ...narrowed(request, defaultCountries) }, method);
  const context = await resolveContext(request);
  untilAnswered(reply, takeOrRefuse(downloads, callerOf(request).id));
  const length = Number(request.headers['content-length']);
  const reads = method === 'GET';
  const flows = hasBody(request) && !reads;
  if (flows) sendContinue(reply);
  const answer = await streams.open(context, {
    operation: 'native',
    method,
    path,
    rawQuery: /\?[^#]*/.exec(request.raw.url ?? '')?.[0] ?? '',
    body: flows ? detached(request.raw) : undefined,
    contentType: request.headers['content-type'],
    contentLength: flows && Number.isSafeInteger(length) ? length : undefined,
    // A change in flight is not aborted: its outcome would only become unknown.
    ...(reads && { signal: abortOnDisconnect(reply) }),
  });
  if (answer.kind === 'failed') throw lost(answer.bytesSent, reads, unreachable(answer));
  return replyWithAnswer(services, reply, { answer, context, reads });
}

interface NativeAnswer {
  answer: StreamingResponse;
  context: CallContext;
  reads: boolean;
}

async function replyWithAnswer({ diagnosis }: Services, reply: FastifyReply, { answer, context, reads }: NativeAnswer) {
  let isTaken = false;
  try {
    const { status } = answer;
    // If it were passed on, the caller would read it as a refusal of its own key.
    if (status === 401 || status === 403) {
      const refusal = await refusalFrom(answer, context.deadline);
      throw refused(reads, await refusedBy(refusal, context, diagnosis));
    }
    const fault = faultOf(answer);
    if (fault) throw lost(true, reads, fault);
    await waitForFirstByte(answer.body).catch((problem: Problem) => {
      throw lost(true, reads, problem);
    });
    reply.headers(
      passThroughHeaders(answer, ['content-type', 'content-encoding', 'content-disposition', 'retry-after']),
    );
    reply.code(status);
    isTaken = true;
  } finally {
    // On any error: a body that is not read would keep its TCP connection.
    if (!isTaken) answer.body.destroy();
  }
  return reply.send(answer.body);
}

/** Answers that must not be passed on. */
function faultOf({ status, containedKey }: StreamingResponse): Problem | undefined {
  if (containedKey) return keyEchoed(status);
  if (status >= 300 && status < 400) {
    return new Problem('upstream-invalid', `the upstream answered ${status}, which is not followed`, {
      upstream: { status },
    });
  }
  if (status >= 200 && status <= 599) return undefined;
  return new Problem('upstream-invalid', `the upstream answered ${status}, which is no status of an answer`, {
    upstream: { status },
  });
}

/** The path to call, if the operator allowed it with this method. */
function nativePath(path: string, method: string, allowed: readonly NativePath[]): string {
  const segments = path.split('/');
  const named = allowed.some(
    ({ method: taken, segments: pattern, unsafe }) =>
      taken === method &&
      pattern.length === segments.length &&
      segments.every(
        (segment, at) => pattern[at] === segment || (pattern[at] === undefined && (unsafe || !isPerilous(segment))),
      ),
  );
  const harmless = segments.every((segment) => segmentPattern.test(segment) && !rotatesToken(segment));
  if (!named || !harmless) throw new Problem('forbidden', 'this method and path are not named in NATIVE_PATHS');
  return `/${segments.join('/')}`;
}

/** Nothing was sent. For a change, the answer says so. */
const refused = (reads: boolean, problem: Problem): Problem =>
  reads ? problem : new Problem(problem.slug, problem.message, { ...problem.extras, outcome: 'rejected' });

/** A change whose answer was lost may have happened. Callers must not repeat it blindly. */
function lost(sent: boolean, reads: boolean, problem: Problem): Problem {
  if (reads) return problem;
  const outcome = sent ? 'unknown' : 'not_sent';
  return new Problem(problem.slug, problem.message, { ...problem.extras, outcome, retryable: !sent });
}
