import { finished, type Readable } from 'node:stream';
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { callerOf } from '../src/http/authenticate.ts';
import { untilAnswered } from '../src/http/until-answered.ts';
import { asAttachment } from '../src/lib/content-disposition.ts';
import { Type } from '../src/lib/type.ts';
import { takeOrRefuse } from '../src/pools/refusal.ts';
import type { SharedPool } from '../src/pools/shared-pool.ts';
import { strict } from '../src/schemas/common.ts';
import {
  type AuthDiagnosis,
  isExplainedByStatus,
  keyEchoed,
  responseAborted,
  unreachable,
} from '../src/upstream/client.ts';
import { fileOf } from '../src/upstream/stored-file.ts';
import type { StreamingResponse, Streams } from '../src/upstream/streaming.ts';
import { abortOnDisconnect, type ResolveContext } from './request-context.ts';

interface Services {
  streams: Streams;
  diagnosis: AuthDiagnosis;
  /** Capacity for streamed answers, by caller. */
  downloads: SharedPool;
  resolveContext: ResolveContext;
}

const MediaQuery = Type.Object(
  {
    path: Type.String({
      maxLength: 8_192,
      'x-media-path': 'stored',
      description:
        '`media.path` of a conversation message; an address of WATI that shows the file (`…/showFile?fileName=…`) is taken as well',
      examples: ['data/images/5f0c6a3e-0001-4000-8000-000000000001.png'],
    }),
  },
  strict,
);

export const media: FastifyPluginAsyncTypebox<Services> = async (
  app,
  { streams, diagnosis, downloads, resolveContext },
) => {
  app.get(
    '/v1/media',
    {
      config: {
        scope: 'media:read',
        connection: true,
        problems: ['not-found'],
        produces: 'application/octet-stream',
        cacheControl: 'private',
      },
      schema: {
        operationId: 'getMedia',
        tags: ['media'],
        summary: 'Download a file of a conversation',
        description:
          'Streams the file with its own content type. A web page or a failure in JSON that the upstream answers in the place of the file is a problem, never the file.',
        querystring: MediaQuery,
      },
    },
    async (request, reply) => {
      const context = await resolveContext(request);
      untilAnswered(reply, takeOrRefuse(downloads, callerOf(request).id));
      const { path: fileName } = request.query;
      const answer = await streams.open(context, {
        operation: 'getMedia',
        method: 'GET',
        path: '/api/v1/getMedia',
        query: { fileName },
        signal: abortOnDisconnect(reply),
      });
      if (answer.kind === 'failed') throw unreachable(answer);
      const { status } = answer;
      let isTaken = false;
      try {
        if (answer.containedKey && !isExplainedByStatus(status)) throw keyEchoed(status);
        const file = await fileOf(answer, fileName, { context, diagnosis });
        // A download: browsers store a customer's file instead of showing it. Every response also forbids scripts.
        const disposition = asAttachment(fileName.split('/').at(-1) ?? '');
        // WATI may compress although it was not asked to. The bytes are passed on unchanged with their encoding.
        const passed = passThroughHeaders(answer, ['content-type', 'content-length', 'content-encoding']);
        reply.headers({ 'content-type': 'application/octet-stream', ...passed, 'content-disposition': disposition });
        isTaken = true;
        return reply.send(file);
      } finally {
        // On any error: a body that is not read would keep its TCP connection.
        if (!isTaken) answer.body.destroy();
      }
    },
  );
};

const header = (answer: StreamingResponse, name: string): string | undefined => {
  const value = answer.headers[name];
  return Array.isArray(value) ? value[0] : value;
};

/** Header values that are passed on. Others could have a meaning for browsers or proxies. */
const forms: Readonly<Record<string, RegExp>> = {
  'content-type': /^[\w.+-]{1,100}\/[\w.+-]{1,100}(;[ \t]*[\w-]{1,40}=("[\w .:+-]{1,100}"|[\w.:+-]{1,100})){0,4}$/,
  'content-length': /^\d{1,15}$/,
  'content-encoding': /^[a-z0-9-]{1,20}$/i,
  'content-disposition': /^(inline|attachment)(;[ \t]*[\w*-]{1,20}=("[^"\\]{0,255}"|[\w.%'+-]{1,255})){0,4}$/i,
  'retry-after': /^[\w ,:+-]{1,40}$/,
};

/** The upstream's headers whose values have the expected form. */
export const passThroughHeaders = (answer: StreamingResponse, names: readonly string[]): Record<string, string> =>
  Object.fromEntries(
    names.flatMap((name) => {
      const value = header(answer, name);
      return value !== undefined && value.length <= 1_024 && forms[name]?.test(value) ? [[name, value]] : [];
    }),
  );

/**
 * Resolves when the first bytes of an answer have arrived, or its end. Throws a Problem if the answer is lost before. Nothing
 * has been sent to the caller then, so it gets the same response as for an upstream that does not answer.
 */
export async function waitForFirstByte(body: Readable): Promise<void> {
  if (body.readableLength === 0) {
    const { promise, resolve } = Promise.withResolvers<void>();
    const forget = finished(body, () => resolve());
    body.once('readable', resolve);
    await promise;
    forget();
    body.off('readable', resolve);
  }
  if (body.errored) throw responseAborted(body.errored);
}
