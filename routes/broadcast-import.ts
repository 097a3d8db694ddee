import { randomUUID } from 'node:crypto';
import multipart from '@fastify/multipart';
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { FastifyReply, FastifyRequest } from 'fastify';
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
import { checkTemplate, columnsOf, type Sendable } from '../src/templates/template-validation.ts';
import { asProblem, type Uploads } from '../src/upload/uploads.ts';
import type { CallContext } from '../src/upstream/client.ts';
import { DryRun, withFaults } from './broadcast-dry-run.ts';
import { replyWithBroadcast, requireIdempotencyKey, started, termsOf } from './broadcast-response.ts';
import type { BroadcastServices } from './broadcasts.ts';
import { isAsync } from './request-context.ts';
import { assertSchedule } from './send-times.ts';
import type { TypedApp } from './typed-app.ts';

export interface ImportServices extends BroadcastServices {
  uploads: Uploads;
  numbers: PhoneNumbers;
}

/** Reads the caller's file to its end, pausing for `afterEach`; resolves with its digest. */
async function readThrough(
  { config, uploads }: ImportServices,
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

type Query = Static<typeof ImportQuery>;

/** Collects rows as they are read; `flush` empties the collection between chunks of the file. */
function rowCheck(
  { config, numbers }: ImportServices,
  request: FastifyRequest,
  parts: { versions: Sendable; keepsGoing?: boolean; onRow: (recipient: BroadcastRecipient) => void },
) {
  const mayReach = createSendingCheck(callerOf(request));
  const check = createCsvCheck({
    numbers,
    ...narrowed(request, config.DEFAULT_COUNTRIES),
    ...columnsOf(parts.versions),
    takesReference: true,
    ...(parts.keepsGoing && { keepsGoing: true }),
    rowsMax: config.IMPORT_MAX_ROWS,
    cellBytesMax: config.CSV_MAX_CELL_BYTES,
    onRow: ({ to, values, reference }, row) => {
      if (!mayReach.recipient(to, `/rows/${row}`)) return;
      parts.onRow({ to, parameters: values, ...(reference !== undefined && { reference }) });
    },
  });
  return { check, mayReach };
}

/** Reads the templates without the cache, because they cannot be read again when the header of the CSV arrives. */
async function versionsOf(
  { templates }: ImportServices,
  request: FastifyRequest,
  { context, template }: { context: CallContext; template: string },
) {
  const mayReach = createSendingCheck(callerOf(request));
  mayReach.template(template, queryPointers.template);
  mayReach.assert();
  return checkTemplate(await templates.find(context, template, { fresh: true }), template);
}

/** Reads the whole file, even if it has faults. */
async function rehearse(services: ImportServices, reply: FastifyReply, { template, perMinute }: Query) {
  const { request } = reply;
  const context = await services.resolveContext(request);
  const requester = requireIdempotencyKey(request);
  assertSchedule(request, services.broadcasts.wallNow());
  const versions = await versionsOf(services, request, { context, template });
  const run = new DryRun({ broadcasts: services.broadcasts, requester, connection: context.connection, versions });
  let valid = 0;
  const onRow = (recipient: BroadcastRecipient) => {
    valid += 1;
    run.note(recipient);
  };
  const { check, mayReach } = rowCheck(services, request, { versions, keepsGoing: true, onRow });
  await readThrough(services, reply, { check, afterEach: () => run.lookUp() }).catch((error) => {
    if (!(error instanceof Problem && error.slug === 'csv-invalid')) throw error;
  });
  const { rows: recipients, ...found } = check.found();
  return run.answer(withFaults({ ...found, recipients, valid }, mayReach), perMinute);
}

async function startImport(services: ImportServices, reply: FastifyReply, query: Query) {
  const { broadcasts, resolveContext } = services;
  const { template, broadcastName, channel: asked, perMinute } = query;
  const { request } = reply;
  const context = await resolveContext(request);
  const requester = requireIdempotencyKey(request);
  const print = (file: unknown) =>
    fingerprintOf(context.connection, [
      template,
      broadcastName,
      file,
      ...termsOf({ channel: asked, perMinute, ...requester }),
    ]);
  // If the key was used before, the file is only read and compared, and nothing is recorded.
  const repeated = await broadcasts.findReplay(requester, async () => print(await readThrough(services, reply, {})));
  if (repeated) return repeated;
  assertSchedule(request, broadcasts.wallNow());
  const versions = await versionsOf(services, request, { context, template });
  const { connection, channel } = context;
  const draft = { template, broadcastName, connection, channel, asked, perMinute, shownEarly: isAsync(request) };
  return broadcasts.start(requester, draft, async (add) => {
    let rows: BroadcastRecipient[] = [];
    const flush = async () => {
      const batch = rows;
      rows = [];
      await add(batch);
    };
    const { check, mayReach } = rowCheck(services, request, { versions, onRow: (recipient) => rows.push(recipient) });
    const file = await readThrough(services, reply, { check, afterEach: flush });
    // If this throws, the recipients that were recorded so far are deleted. None of them was sent or listed.
    mayReach.assert();
    await flush();
    return { fingerprint: print(file) };
  });
}

function importBroadcast(app: TypedApp, services: ImportServices): void {
  app.post(
    '/v1/broadcasts/import',
    {
      config: {
        scope: 'broadcasts:send',
        connection: true,
        preferWait: 'recording',
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
          'Nothing is sent unless every row is valid; then the answer comes once all are recorded. UTF-8 with commas, semicolons or tabs and a header row; the number in `Phone`, whole or with its country code in `CountryCode`, each number once; the columns named like the parameters of the template fill them. Case, blanks, `_` and `-` make no difference in names of columns; blank rows at the end, commas behind every row, a BOM and `sep=` are ignored. Each fault names its `row` and `line`.\n\nFor a long file, use `Prefer: respond-async`: the broadcast is visible from its first row on, with the status `recording` and rising counts. Find it with `GET /v1/broadcasts?idempotencyKey=`, and follow its event stream; the answer still comes once the whole file is read. A refused file leaves nothing: the broadcast is a 404 again, and its key is free.',
        querystring: ImportQuery,
        headers: BroadcastHeaders,
        response: started,
      },
    },
    async (request, reply) => {
      if (request.query.dryRun) return rehearse(services, reply, request.query);
      return replyWithBroadcast(reply, await startImport(services, reply, request.query));
    },
  );
}

/** Makes a broadcast from a CSV. Its rows are recorded as they arrive, with constant memory; either all of them count or none. */
export const broadcastImport: FastifyPluginAsyncTypebox<ImportServices> = async (app, services) => {
  // Only multipart forms are taken here. They are parsed while they stream (src/upload/incoming-form.ts).
  app.removeAllContentTypeParsers();
  await app.register(multipart);

  importBroadcast(app, services);
};
