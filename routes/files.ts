import { randomUUID } from 'node:crypto';
import multipart from '@fastify/multipart';
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Config } from '../src/config.ts';
import { type CsvCheck, createCsvCheck } from '../src/csv/csv-check.ts';
import type { StreamedUpload } from '../src/delivery/dispatch/types.ts';
import { fingerprintOf } from '../src/delivery/send-content.ts';
import type { Delivery, StreamDraft } from '../src/delivery/types.ts';
import { narrowed } from '../src/http/allowed-countries.ts';
import { callerOf } from '../src/http/authenticate.ts';
import { sendContinue } from '../src/http/expect-continue.ts';
import { masked } from '../src/lib/masked.ts';
import { invalid, Problem } from '../src/problem.ts';
import type { PhoneNumbers } from '../src/recipients/phone-numbers.ts';
import { digits } from '../src/schemas/common.ts';
import { CsvQuery, FileQuery } from '../src/schemas/message.ts';
import { KeyedSendHeaders, SendHeaders } from '../src/schemas/send-headers.ts';
import { assertMaySend, createSendingCheck, queryPointers } from '../src/sending-rules.ts';
import type { TemplateCache } from '../src/templates/template-cache.ts';
import { checkTemplate, columnsOf } from '../src/templates/template-validation.ts';
import { asProblem, type Upload, type UploadOptions, type Uploads } from '../src/upload/uploads.ts';
import type { ResponseExpectation } from '../src/upstream/classify-response.ts';
import type { CallContext } from '../src/upstream/client.ts';
import { type SendRequests, type StreamedSendRequest, urlLengthError } from '../src/upstream/send-requests.ts';
import type { Streams } from '../src/upstream/streaming.ts';
import { requestScopeOf } from './idempotency-scope.ts';
import { replyWithMessage, sendResponses } from './send-response.ts';
import { type BuildContext, channelOf } from './upstream-context.ts';
import { sendWaitMs } from './wait-preference.ts';

interface Services {
  config: Config;
  delivery: Delivery;
  sendRequests: SendRequests;
  streams: Streams;
  templates: TemplateCache;
  uploads: Uploads;
  numbers: PhoneNumbers;
  contextOf: BuildContext;
}

/** The slowest that WATI may take a file, bytes a millisecond: 64 KB/s. */
const bytesPerMs = 64;

/** Files and CSVs: the caller's multipart body is streamed to WATI and stored nowhere. */
export const files: FastifyPluginAsyncTypebox<Services> = async (app, services) => {
  const { config, delivery, sendRequests, streams, templates, uploads, numbers, contextOf } = services;

  // Only multipart forms are taken here. They are parsed while they stream (src/upload/incoming-form.ts).
  app.removeAllContentTypeParsers();
  await app.register(multipart);

  app.post(
    '/v1/messages/file',
    {
      config: {
        scope: 'messages:send',
        connection: true,
        sendsMessage: true,
        preferWait: 'outcome',
        streams: true,
        form: {
          field: 'file',
          description: 'an image up to 5 MB, audio or video up to 16 MB, a document up to 100 MB',
        },
        problems: ['session-window-closed', 'recipient-invalid', 'recipient-opted-out'],
      },
      schema: {
        operationId: 'sendFile',
        tags: ['messages'],
        summary: 'Send a file',
        description:
          'Streams the one file of the form through to WATI, within the 24-hour window. What it is follows from its bytes; where they leave a choice, its declared type decides, then its name. A declared type that is not in the list of those taken says nothing; one of the list that contradicts the bytes is a 415, which says what the file was taken for and what would be taken. The name is decoded and cleaned, and `fileName` shows it as the customer sees it.',
        querystring: FileQuery,
        headers: SendHeaders,
        response: sendResponses,
      },
    },
    async (request, reply) => {
      const to = digits(request.query.to);
      request.requestLog.to = masked(to);
      const asked = { ...request.query, to };
      const call = sendRequests.file(to, asked.caption);
      const through = { ...call, channel: channelOf(request, config) };
      const detail = urlLengthError(through, config.TEXT_URL_MAX_BYTES, asked.caption);
      if (detail !== undefined) throw invalid([{ pointer: '/query/caption', detail }]);
      return stream(request, reply, call, () => ({ kinds: 'media' }), { kind: 'file', to }, asked, { media: true });
    },
  );

  app.post(
    '/v1/broadcasts/csv',
    {
      config: {
        scope: 'broadcasts:send',
        connection: true,
        sendsMessage: true,
        preferWait: 'outcome',
        streams: true,
        form: { field: 'file', description: 'a CSV with a header row and the number in `Phone`' },
        problems: ['csv-invalid', 'template-unknown'],
      },
      schema: {
        operationId: 'sendTemplateCsv',
        tags: ['broadcasts'],
        summary: 'Send a template to the numbers of a CSV, in one call of WATI',
        description:
          'Streams the CSV through to WATI; nothing complete reaches it unless every row is valid. WATI reads the file itself, so it has to be plain: UTF-8 with commas or semicolons, a header row, digits with or without `+` in `Phone`, their country code there or in `CountryCode`, each number once, and a column for each template parameter. Other forms are taken by `import`. WATI answers for no single row: the one message that comes back stands for the whole call.',
        querystring: CsvQuery,
        headers: KeyedSendHeaders,
        response: sendResponses,
      },
    },
    async (request, reply) => {
      const { template, broadcastName } = request.query;
      const call = sendRequests.csv({ name: template, broadcastName });
      let columns: ReturnType<typeof columnsOf> | undefined;
      const preflight = async (context: CallContext) => {
        // The header comes later than the time to read the template again.
        columns = columnsOf(checkTemplate(await templates.find(context, template, { fresh: true }), template));
      };
      const check = () => checkOf(request, columns);
      return stream(
        request,
        reply,
        call,
        () => ({ kinds: 'csv', check: check() }),
        { kind: 'csv', template },
        request.query,
        { bulk: true },
        preflight,
      );
    },
  );

  /** For a CSV. WATI sends nothing until the file is complete, so its end is withheld until all rows are valid. */
  const checkOf = (request: FastifyRequest, columns: ReturnType<typeof columnsOf> | undefined): CsvCheck => {
    const mayReach = createSendingCheck(callerOf(request));
    const rows = createCsvCheck({
      numbers,
      ...narrowed(request, config.DEFAULT_COUNTRIES),
      ...columns,
      passedOn: true,
      rowsMax: config.CSV_MAX_ROWS,
      cellBytesMax: config.CSV_MAX_CELL_BYTES,
      onRow: ({ to }, row) => mayReach.recipient(to, `/rows/${row}`),
    });
    return {
      write: (chunk) => rows.write(chunk),
      end: async () => {
        const counted = await rows.end();
        mayReach.assert();
        // One of them was counted when the call was recorded.
        await delivery.spend(requestScopeOf(request), counted.rows - 1);
        return counted;
      },
    };
  };

  const stream = async (
    request: FastifyRequest,
    reply: FastifyReply,
    call: StreamedSendRequest,
    file: () => Pick<UploadOptions, 'kinds' | 'check'>,
    draft: StreamDraft,
    asked: Readonly<Record<string, unknown>>,
    expected: ResponseExpectation,
    preflight = async (_context: CallContext) => {},
  ) => {
    const context = await contextOf(request);
    const asker = requestScopeOf(request);
    const begin = () => {
      const own = { field: 'file', upstreamField: call.field, bytesMax: config.UPLOAD_MAX_BYTES, fileId: randomUUID() };
      const holder = callerOf(request).id;
      return uploads.begin(request, { ...file(), ...own, holder, onRead: () => sendContinue(reply) });
    };
    const fingerprint = async ({ done }: Upload) => fingerprintOf(context.connection, [draft, asked, await done]);
    // Under a key that was used, the file is read and compared, and goes nowhere.
    const repeated = await delivery.findReplay(
      asker,
      async () => {
        const upload = await begin();
        upload.stream.resume();
        return fingerprint(upload).catch(throwAsProblem).finally(upload.release);
      },
      draft,
    );
    if (repeated) return replyWithMessage(reply, repeated);
    assertMaySend(callerOf(request), draft, queryPointers);
    // After that: what was sent once is answered as it was, whatever became of its template.
    await preflight(context);
    if (config.UPLOAD_FRAMING === 'length' && request.headers['content-length'] === undefined) {
      throw new Problem('malformed-request', 'the request needs a Content-Length here; nothing was sent');
    }
    const upload = await begin();
    const streamed: StreamedUpload = {
      open: (canSend) => transmit(upload, call, context, canSend),
      complete: upload.complete,
      bodyReceived: upload.done,
      cancel: () => upload.stream.destroy(),
      fileName: upload.file.fileName,
      expected,
      operation: call.operation,
      clientError: () => upload.done.then(() => undefined, faultOf),
      fingerprint: () => fingerprint(upload).catch(() => undefined),
    };
    const sent = delivery
      .stream({ scope: asker, draft, streamed, context, waitMs: sendWaitMs(request, context) })
      .finally(upload.release);
    return replyWithMessage(reply, await sent);
  };

  const transmit = async (
    { stream, contentType, file }: Upload,
    { field, ...call }: StreamedSendRequest,
    context: CallContext,
    canSend: () => boolean,
  ) => {
    const { contentLength = config.UPLOAD_MAX_BYTES } = file;
    return streams.send(context, {
      ...call,
      body: stream,
      contentType,
      contentLength: config.UPLOAD_FRAMING === 'chunked' ? undefined : file.contentLength,
      totalMs: config.UPLOAD_TIMEOUT_MS + Math.ceil(contentLength / bytesPerMs),
      canSend,
      priority: 'permit-held',
    });
  };
};

/** The Problem that a caller's body is; undefined: the fault is not his. */
function faultOf(error: unknown): Problem | undefined {
  const problem = asProblem(error);
  return problem instanceof Problem ? problem : undefined;
}

function throwAsProblem(error: unknown): never {
  throw asProblem(error);
}
