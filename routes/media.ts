import { finished, Readable } from 'node:stream';
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from 'typebox';
import { callerOf } from '../plugins/auth.ts';
import { untilAnswered } from '../plugins/until-answered.ts';
import { takeOrRefuse } from '../src/pools/refusal.ts';
import type { SharedPool } from '../src/pools/shared-pool.ts';
import { Problem } from '../src/problem.ts';
import { strict } from '../src/schemas/words.ts';
import { saidBy } from '../src/upstream/answers/flags.ts';
import { reasonOf } from '../src/upstream/answers/reason.ts';
import {
  brokenOff,
  type CallContext,
  type Diagnosis,
  statusProblem,
  unreachable,
  withheld,
} from '../src/upstream/client.ts';
import { isObject, parseJson } from '../src/upstream/lenient.ts';
import type { Opened, Streams } from '../src/upstream/streams.ts';
import { type ContextOf, hungUp } from './context.ts';

interface Services {
  streams: Streams;
  diagnosis: Diagnosis;
  /** Answers that stream through, by caller. */
  downloads: SharedPool;
  contextOf: ContextOf;
}

const MediaQuery = Type.Object(
  {
    path: Type.String({
      maxLength: 512,
      // No segment begins with a dot, so none climbs out (delivery.md 1.6).
      pattern: '^[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*$',
      'x-form': 'a path such as data/images/a.png, as `media.path` of a message has it',
      description: '`media.path` of a conversation message',
      examples: ['data/images/5f0c6a3e-0001-4000-8000-000000000001.png'],
    }),
  },
  strict,
);

/** As much of an answer as is looked at to tell a failure from a file. */
const peekBytesMax = 64 * 1024;

export const media: FastifyPluginAsyncTypebox<Services> = async (app, { streams, diagnosis, downloads, contextOf }) => {
  app.get(
    '/v1/media',
    {
      config: {
        scope: 'media:read',
        connection: true,
        problems: ['not-found'],
        produces: 'application/octet-stream',
        keeps: 'private',
      },
      schema: {
        operationId: 'getMedia',
        tags: ['media'],
        summary: 'Download a file of a conversation',
        description: 'Streams the file with its own content type.',
        querystring: MediaQuery,
      },
    },
    async (request, reply) => {
      const context = await contextOf(request);
      untilAnswered(reply, takeOrRefuse(downloads, callerOf(request).id));
      const { path: fileName } = request.query;
      const answer = await streams.open(context, {
        operation: 'getMedia',
        method: 'GET',
        path: '/api/v1/getMedia',
        query: { fileName },
        signal: hungUp(reply),
      });
      if (answer.kind === 'failed') throw unreachable(answer);
      const { status } = answer;
      let isTaken = false;
      try {
        if (status === 401 || status === 403) {
          throw new Problem('upstream-unauthorized', await diagnosis.unauthorized(context.untilMs), {
            upstream: { status },
          });
        }
        if (answer.heldKey) throw withheld(status);
        const file = await fileOf(answer, context, diagnosis);
        // Opened in a browser, a customer's file is kept and not shown; that it runs nothing is said on every answer.
        const disposition = `attachment; filename="${fileName.split('/').at(-1)}"`;
        // Nobody unpacks here what WATI packed, though it was not asked to: the bytes go on as they are named.
        const passed = passedOn(answer, ['content-type', 'content-length', 'content-encoding']);
        reply.headers({ 'content-type': 'application/octet-stream', ...passed, 'content-disposition': disposition });
        isTaken = true;
        return reply.send(file);
      } finally {
        // Whatever is thrown: a body that nobody reads would keep its connection.
        if (!isTaken) answer.body.destroy();
      }
    },
  );
};

const header = (answer: Opened, name: string): string | undefined => {
  const value = answer.headers[name];
  return Array.isArray(value) ? value[0] : value;
};

/** What a header may say, to be passed on: anything else could mean more to a browser or a proxy than it does to us. */
const forms: Readonly<Record<string, RegExp>> = {
  'content-type': /^[\w.+-]{1,100}\/[\w.+-]{1,100}(;[ \t]*[\w-]{1,40}=("[\w .:+-]{1,100}"|[\w.:+-]{1,100})){0,4}$/,
  'content-length': /^\d{1,15}$/,
  'content-encoding': /^[a-z0-9-]{1,20}$/i,
  'content-disposition': /^(inline|attachment)(;[ \t]*[\w*-]{1,20}=("[^"\\]{0,255}"|[\w.%'+-]{1,255})){0,4}$/i,
  'retry-after': /^[\w ,:+-]{1,40}$/,
};

/** Those of the upstream's headers that are what they should be. */
export const passedOn = (answer: Opened, names: readonly string[]): Record<string, string> =>
  Object.fromEntries(
    names.flatMap((name) => {
      const value = header(answer, name);
      return value !== undefined && value.length <= 1_024 && forms[name]?.test(value) ? [[name, value]] : [];
    }),
  );

/** The file's bytes; or the Problem, because a failure can be a 200 with JSON (contract 8.15). */
async function fileOf(answer: Opened, context: CallContext, diagnosis: Diagnosis): Promise<Readable> {
  const ok = answer.status >= 200 && answer.status < 300;
  const type = header(answer, 'content-type') ?? '';
  if (ok && !/json|^text\/plain/i.test(type)) {
    await begun(answer.body);
    return answer.body;
  }
  const { head, rest } = await peek(answer.body);
  const text = new TextDecoder().decode(head);
  const body = parseJson(text);
  if (ok && !(isObject(body) && saidBy(body) === 'no')) return rest;
  if (ok) throw new Problem('not-found', 'WATI has no such file');
  if (answer.status === 400) {
    const fault = await diagnosis.connectionFault(context.connection, reasonOf(body, text), context.untilMs);
    if (fault !== undefined) throw new Problem('connection-unusable', fault, { upstream: { status: 400 } });
  }
  if (answer.status === 404) throw new Problem('not-found', 'WATI has no such file');
  throw statusProblem({ ...answer, text }, reasonOf(body, text));
}

/**
 * Resolves once the first bytes of an answer are there, or its end: where it is lost before, nothing was said to the caller
 * yet, and he hears of it as of an upstream that did not answer at all. Throws that Problem.
 */
export async function begun(body: Readable): Promise<void> {
  if (body.readableLength === 0) {
    const { promise, resolve } = Promise.withResolvers<void>();
    const forget = finished(body, () => resolve());
    body.once('readable', resolve);
    await promise;
    forget();
    body.off('readable', resolve);
  }
  if (body.errored) throw brokenOff(body.errored);
}

/** The first bytes, and the whole stream again with them in front. */
async function peek(body: Readable): Promise<{ head: Buffer; rest: Readable }> {
  const chunks: Buffer[] = [];
  const iterator: AsyncIterator<Buffer> = body.iterator({ destroyOnReturn: false });
  let bytes = 0;
  let ended = false;
  while (bytes <= peekBytesMax && !ended) {
    const next = await iterator.next().catch((error: unknown) => {
      throw brokenOff(error);
    });
    ended = next.done === true;
    if (!next.done) {
      chunks.push(next.value);
      bytes += next.value.length;
    }
  }
  const rest = Readable.from(
    (async function* () {
      yield* chunks;
      if (!ended) yield* body;
    })(),
    { objectMode: false },
  );
  // One that is ended unread never runs what it is made of.
  rest.once('close', () => body.destroy());
  return { head: Buffer.concat(chunks), rest };
}
