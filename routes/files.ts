import { randomUUID } from 'node:crypto';
import multipart from '@fastify/multipart';
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { masked } from '../plugins/access-log.ts';
import { invite } from '../plugins/request-bodies.ts';
import type { Config } from '../src/config.ts';
import { createCsvCheck } from '../src/csv/csv-check.ts';
import type { Delivery, Draft, Send } from '../src/delivery/delivery.ts';
import { checkTemplate } from '../src/delivery/preflight.ts';
import type { TemplateCache } from '../src/delivery/template-cache.ts';
import { Problem } from '../src/problem.ts';
import { CsvQuery, FileQuery, KeyedSendHeaders, SendHeaders } from '../src/schemas/message.ts';
import { digits } from '../src/schemas/words.ts';
import { asProblem, type Upload, type UploadOptions, type Uploads } from '../src/upload/uploads.ts';
import type { CallContext } from '../src/upstream/client.ts';
import type { SendCalls, StreamedCall } from '../src/upstream/messages.ts';
import type { Streams } from '../src/upstream/streams.ts';
import { answer, sendResponses } from './answer.ts';
import { type ContextOf, preferredWaitMs } from './context.ts';

interface Services {
  config: Config;
  delivery: Delivery;
  sendCalls: SendCalls;
  streams: Streams;
  templates: TemplateCache;
  uploads: Uploads;
  contextOf: ContextOf;
}

/** The slowest that WATI may take a file, bytes a millisecond (delivery.md 2.5: 64 KB/s). */
const bytesPerMs = 64;

/** Files and CSVs: the caller's multipart body flows into WATI's, held by nobody. */
export const files: FastifyPluginAsyncTypebox<Services> = async (app, services) => {
  const { config, delivery, sendCalls, streams, templates, uploads, contextOf } = services;

  // Only multipart forms are taken here, and their bodies are left to the handlers.
  app.removeAllContentTypeParsers();
  await app.register(multipart);

  app.post(
    '/v1/messages/file',
    {
      config: {
        scope: 'messages:send',
        connection: true,
        sends: true,
        streams: true,
        form: {
          field: 'file',
          description: 'an image up to 5 MB, audio or video up to 16 MB, a document up to 100 MB',
        },
        problems: ['session-window-closed', 'recipient-invalid'],
      },
      schema: {
        operationId: 'sendFile',
        tags: ['messages'],
        summary: 'Send a file',
        description:
          'Streams the one file of the form through to WATI, within the 24-hour window. What it is follows from its declared type and its first bytes; a contradiction is a 415.',
        querystring: FileQuery,
        headers: SendHeaders,
        response: sendResponses,
      },
    },
    async (request, reply) => {
      const to = digits(request.query.to);
      request.trace.to = masked(to);
      const call = sendCalls.file(to, request.query.caption);
      return stream(request, reply, call, { kinds: 'media' }, { kind: 'file', to, expected: { media: true } });
    },
  );

  app.post(
    '/v1/broadcasts/csv',
    {
      config: {
        scope: 'broadcasts:send',
        connection: true,
        sends: true,
        streams: true,
        form: { field: 'file', description: 'a CSV with a header row and the number in `Phone`' },
        problems: ['csv-invalid', 'template-unknown'],
      },
      schema: {
        operationId: 'sendTemplateCsv',
        tags: ['broadcasts'],
        summary: 'Send a template to the numbers of a CSV, in one call of WATI',
        description:
          'Streams the CSV through to WATI; nothing complete reaches it unless every row is valid. UTF-8, comma or semicolon, a header row, the number in `Phone`, its country code there or in `CountryCode`; each number once. WATI answers for no single row: the one message that comes back stands for the whole call.',
        querystring: CsvQuery,
        headers: KeyedSendHeaders,
        response: sendResponses,
      },
    },
    async (request, reply) => {
      const { template, broadcastName } = request.query;
      const found = await templates.find(await contextOf(request), template);
      checkTemplate(found, template);
      const call = sendCalls.csv({ name: template, broadcastName });
      const check = createCsvCheck({ rowsMax: config.CSV_MAX_ROWS, cellBytesMax: config.CSV_MAX_CELL_BYTES });
      return stream(request, reply, call, { kinds: 'csv', check }, { kind: 'csv', template, expected: { many: true } });
    },
  );

  const stream = async (
    request: FastifyRequest,
    reply: FastifyReply,
    call: StreamedCall,
    file: Pick<UploadOptions, 'kinds' | 'check'>,
    draft: Pick<Draft, 'kind' | 'to' | 'template' | 'expected'>,
  ) => {
    const context = await contextOf(request);
    if (config.UPLOAD_FRAMING === 'length' && request.headers['content-length'] === undefined) {
      throw new Problem('malformed-request', 'the request needs a Content-Length here; nothing was sent');
    }
    const upload = await uploads.begin(request.raw, {
      ...file,
      field: 'file',
      upstreamField: call.field,
      bytesMax: config.UPLOAD_MAX_BYTES,
      fileId: randomUUID(),
      onRead: () => invite(reply),
    });
    const transmission = {
      open: () => transmit(upload, call, context).finally(upload.release),
      complete: upload.complete,
      received: upload.done,
    };
    const sent = await delivery.send(
      { ...draft, context, transmission },
      preferredWaitMs(request, config.SEND_WAIT_MS),
    );
    await assertCallerDidHisPart(sent, upload);
    return answer(reply, sent);
  };

  const transmit = async (
    { stream, contentType, file }: Upload,
    { field, ...call }: StreamedCall,
    context: CallContext,
  ) => {
    const { contentLength = config.UPLOAD_MAX_BYTES } = file;
    return streams.send(context, {
      ...call,
      body: stream,
      contentType,
      contentLength: config.UPLOAD_FRAMING === 'chunked' ? undefined : file.contentLength,
      totalMs: config.UPLOAD_TIMEOUT_MS + Math.ceil(contentLength / bytesPerMs),
    });
  };
};

/** Where the upload broke off without a word of WATI, the fault may be in the caller's body: then he is told that. */
async function assertCallerDidHisPart({ verdict }: Send, upload: Upload): Promise<void> {
  if (verdict?.outcome !== 'not_sent' || verdict.status !== undefined) return;
  await upload.done.catch((error: unknown) => {
    const problem = asProblem(error);
    if (problem instanceof Problem) throw problem;
  });
}
