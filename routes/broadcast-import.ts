import { randomUUID } from 'node:crypto';
import multipart from '@fastify/multipart';
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { FastifyReply } from 'fastify';
import type { Static } from 'typebox';
import type { BroadcastRecipient } from '../src/broadcasts/types.ts';
import { type CsvCheck, createCsvCheck } from '../src/csv/csv-check.ts';
import { fingerprintOf } from '../src/delivery/send-content.ts';
import { narrowed } from '../src/http/allowed-countries.ts';
import { callerOf } from '../src/http/authenticate.ts';
import { sendContinue } from '../src/http/expect-continue.ts';
import { Problem } from '../src/problem.ts';
import type { PhoneNumbers } from '../src/recipients/phone-numbers.ts';
import { ImportQuery } from '../src/schemas/broadcast.ts';
import { BroadcastHeaders } from '../src/schemas/send-headers.ts';
import { createSendingCheck, queryPointers } from '../src/sending-rules.ts';
import { checkTemplate, columnsOf } from '../src/templates/template-validation.ts';
import { asProblem, type Uploads } from '../src/upload/uploads.ts';
import { replyWithBroadcast, requireIdempotencyKey, scheduleIn, started } from './broadcast-response.ts';
import type { BroadcastServices } from './broadcasts.ts';
import { assertSchedule } from './schedule.ts';
import type { TypedApp } from './typed-app.ts';

interface Services extends BroadcastServices {
  uploads: Uploads;
  numbers: PhoneNumbers;
}

/** Reads the caller's file to its end, pausing for `afterEach`; resolves with its digest. */
async function readThrough(
  { config, uploads }: Services,
  reply: FastifyReply,
  { check, afterEach = async () => {} }: { check?: CsvCheck; afterEach?: () => Promise<void> },
) {
  const { request } = reply;
  const own = { field: 'file', upstreamField: 'file', bytesMax: config.UPLOAD_MAX_BYTES, fileId: randomUUID() };
  const holder = callerOf(request).id;
  const begin = {
    kinds: 'csv' as const,
    ...(check && { check }),
    ...own,
    holder,
    imports: true,
    onRead: () => sendContinue(reply),
  };
  const upload = await uploads.begin(request, begin);
  try {
    for await (const _ of upload.stream) await afterEach();
    return await upload.done;
  } catch (error) {
    // The store failed. That ends the stream, and `done` then only reports that it ended.
    if (error instanceof Problem) throw error;
    // The stream was destroyed; `done` has the fault of the file.
    await upload.done.catch((fault) => {
      throw asProblem(fault);
    });
    throw asProblem(error);
  } finally {
    upload.stream.destroy();
    upload.release();
  }
}

async function startImport(services: Services, reply: FastifyReply, query: Static<typeof ImportQuery>) {
  const { config, broadcasts, templates, numbers, resolveContext } = services;
  const { template, broadcastName, channel: asked } = query;
  const { request } = reply;
  const context = await resolveContext(request);
  const requester = requireIdempotencyKey(request);
  const print = (file: unknown) =>
    fingerprintOf(context.connection, [
      template,
      broadcastName,
      file,
      ...(asked ? [asked] : []),
      ...scheduleIn(requester),
    ]);
  // If the key was used before, the file is only read and compared, and nothing is recorded.
  const repeated = await broadcasts.findReplay(requester, async () => print(await readThrough(services, reply, {})));
  if (repeated) return repeated;
  assertSchedule(request, broadcasts.wallNow());
  const mayReach = createSendingCheck(callerOf(request));
  mayReach.template(template, queryPointers.template);
  mayReach.assert();
  // Fresh: the columns are compared when the header of the CSV arrives, and the templates cannot be read again then.
  const columns = columnsOf(checkTemplate(await templates.find(context, template, { fresh: true }), template));
  const { connection, channel } = context;
  const draft = { template, broadcastName, connection, channel, asked };
  return broadcasts.start(requester, draft, async (add) => {
    let rows: BroadcastRecipient[] = [];
    const flush = async () => {
      const batch = rows;
      rows = [];
      await add(batch);
    };
    const check = createCsvCheck({
      numbers,
      ...narrowed(request, config.DEFAULT_COUNTRIES),
      ...columns,
      rowsMax: config.IMPORT_MAX_ROWS,
      cellBytesMax: config.CSV_MAX_CELL_BYTES,
      onRow: ({ to, values }, row) => {
        mayReach.recipient(to, `/rows/${row}`);
        rows.push({ to, parameters: values });
      },
    });
    const file = await readThrough(services, reply, { check, afterEach: flush });
    // If this throws, the recipients that were recorded so far are deleted. No other operation has seen them.
    mayReach.assert();
    await flush();
    return print(file);
  });
}

function importBroadcast(app: TypedApp, services: Services): void {
  app.post(
    '/v1/broadcasts/import',
    {
      config: {
        scope: 'broadcasts:send',
        connection: true,
        sendsMessage: true,
        streams: true,
        form: {
          field: 'file',
          description: 'a CSV with a header row, the number in `Phone`, and a column for each template parameter',
        },
        problems: ['csv-invalid', 'template-unknown'],
      },
      schema: {
        operationId: 'importBroadcast',
        tags: ['broadcasts'],
        summary: 'Send a template to the numbers of a CSV, each a message of its own',
        description:
          'Nothing is sent unless every row is valid; then the answer comes once all are recorded. UTF-8 with commas, semicolons or tabs and a header row; the number in `Phone`, whole or with its country code in `CountryCode`, each number once; the columns named like the parameters of the template fill them. Case, blanks, `_` and `-` make no difference in names of columns; blank rows at the end, commas behind every row, a BOM and `sep=` are passed over. Each fault names its `row` and `line`.',
        querystring: ImportQuery,
        headers: BroadcastHeaders,
        response: started,
      },
    },
    async (request, reply) => replyWithBroadcast(reply, await startImport(services, reply, request.query)),
  );
}

/** Makes a broadcast from a CSV. Its rows are recorded as they arrive, with constant memory; either all of them count or none. */
export const broadcastImport: FastifyPluginAsyncTypebox<Services> = async (app, services) => {
  // Only multipart forms are taken here. They are parsed while they stream (src/upload/incoming-form.ts).
  app.removeAllContentTypeParsers();
  await app.register(multipart);

  importBroadcast(app, services);
};
