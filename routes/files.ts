import multipart from '@fastify/multipart';
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { FastifyRequest } from 'fastify';
import { type CsvCheck, createCsvCheck } from '../src/csv/csv-check.ts';
import { contentIn } from '../src/delivery/send-content.ts';
import { narrowed } from '../src/http/allowed-countries.ts';
import { callerOf } from '../src/http/authenticate.ts';
import { invalid } from '../src/problem.ts';
import type { PhoneNumbers } from '../src/recipients/phone-numbers.ts';
import { digits } from '../src/schemas/common.ts';
import { CsvQuery, FileQuery } from '../src/schemas/message.ts';
import { KeyedSendHeaders, SendHeaders } from '../src/schemas/send-headers.ts';
import { createSendingCheck } from '../src/sending-rules.ts';
import type { TemplateCache } from '../src/templates/template-cache.ts';
import { checkTemplate, columnsOf } from '../src/templates/template-validation.ts';
import type { CallContext } from '../src/upstream/client.ts';
import { type SendCalls, urlLengthError } from '../src/upstream/send-calls.ts';
import { requestedChannel, requesterOf } from './request-context.ts';
import { sendResponses } from './send-response.ts';
import { replyWithStreamed, type StreamServices } from './streamed-send.ts';
import type { TypedApp } from './typed-app.ts';

interface Services extends StreamServices {
  sendCalls: SendCalls;
  templates: TemplateCache;
  numbers: PhoneNumbers;
}

function sendFile(app: TypedApp, services: Services): void {
  const { config, sendCalls } = services;
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
        problems: ['session-window-closed', 'recipient-invalid', 'recipient-opted-out', 'message-expired'],
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
      const asked = { ...contentIn(request.query), to };
      const call = sendCalls.file(to, asked.caption);
      const through = { ...call, channel: requestedChannel(request, config) };
      const detail = urlLengthError(through, config.TEXT_URL_MAX_BYTES, asked.caption);
      if (detail !== undefined) throw invalid([{ pointer: '/query/caption', detail }]);
      return replyWithStreamed(services, reply, {
        call,
        file: () => ({ kinds: 'media' }),
        draft: { kind: 'file', to },
        asked,
        expected: { media: true },
      });
    },
  );
}

function sendTemplateCsv(app: TypedApp, services: Services): void {
  const { sendCalls, templates } = services;
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
        problems: ['csv-invalid', 'template-unknown', 'message-expired'],
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
      const call = sendCalls.csv({ name: template, broadcastName });
      let columns: ReturnType<typeof columnsOf> | undefined;
      const preflight = async (context: CallContext) => {
        // Fresh: the columns are compared when the header of the CSV arrives, and the templates cannot be read again then.
        columns = columnsOf(checkTemplate(await templates.find(context, template, { fresh: true }), template));
      };
      return replyWithStreamed(services, reply, {
        call,
        file: () => ({ kinds: 'csv', check: checkOf(services, request, columns) }),
        draft: { kind: 'csv', template },
        asked: contentIn(request.query),
        expected: { bulk: true },
        preflight,
      });
    },
  );
}

/** WATI sends nothing until the CSV is complete, so its end is withheld until all rows are valid. */
function checkOf(
  { config, delivery, numbers }: Services,
  request: FastifyRequest,
  columns: ReturnType<typeof columnsOf> | undefined,
): CsvCheck {
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
      // One of the messages was charged when the record was inserted.
      await delivery.spend(requesterOf(request), counted.rows - 1);
      return counted;
    },
  };
}

/** Files and CSVs: the caller's multipart body is streamed to WATI and stored nowhere. */
export const files: FastifyPluginAsyncTypebox<Services> = async (app, services) => {
  // Only multipart forms are taken here. They are parsed while they stream (src/upload/incoming-form.ts).
  app.removeAllContentTypeParsers();
  await app.register(multipart);

  sendFile(app, services);
  sendTemplateCsv(app, services);
};
