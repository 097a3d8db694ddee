import { randomUUID } from 'node:crypto';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Config } from '../src/config.ts';
import type { StreamedUpload } from '../src/delivery/dispatch/upstream-request.ts';
import { fingerprintOf } from '../src/delivery/send-content.ts';
import type { Delivery, StreamDraft } from '../src/delivery/types.ts';
import { callerOf } from '../src/http/authenticate.ts';
import { sendContinue } from '../src/http/expect-continue.ts';
import { logSend } from '../src/http/request-log.ts';
import { Problem } from '../src/problem.ts';
import { assertWithinRules, queryPointers } from '../src/sending-rules.ts';
import { asProblem, type Upload, type UploadOptions, type Uploads } from '../src/upload/uploads.ts';
import type { ResponseExpectation } from '../src/upstream/classify-response.ts';
import type { CallContext } from '../src/upstream/client.ts';
import type { StreamedSendCall } from '../src/upstream/send-calls.ts';
import type { Streams } from '../src/upstream/streaming.ts';
import { type ResolveContext, requesterOf, sendWaitMs } from './request-context.ts';
import { replyWithMessage } from './send-response.ts';
import { assertSchedule } from './send-times.ts';

export interface StreamServices {
  config: Config;
  delivery: Delivery;
  streams: Streams;
  uploads: Uploads;
  resolveContext: ResolveContext;
}

/** How one kind of file is sent. */
export interface StreamedSend {
  call: StreamedSendCall;
  /** Called when the body is about to be read. */
  file: () => Pick<UploadOptions, 'kinds' | 'check'>;
  draft: StreamDraft;
  /** The caller's parameters besides the file. */
  asked: Readonly<Record<string, unknown>>;
  expected: ResponseExpectation;
  /** Throws the faults that can be found before the body is read. */
  preflight?: (context: CallContext) => Promise<void>;
}

/** The lowest rate at which WATI is expected to take a file, in bytes per millisecond: 64 KB/s. */
const bytesPerMs = 64;

/** Streams the file of the request to WATI, and replies with the message that it becomes. */
export async function replyWithStreamed(services: StreamServices, reply: FastifyReply, send: StreamedSend) {
  const { config, delivery, resolveContext } = services;
  const { draft, preflight } = send;
  const { request } = reply;
  const requester = requesterOf(request);
  logSend(request, { ...requester, ...draft });
  const context = await resolveContext(request);
  const fingerprint = async ({ done }: Upload) => fingerprintOf(context.connection, [draft, send.asked, await done]);
  // If the key was used before, the file is only read and compared, and sent nowhere.
  const repeated = await delivery.findReplay(
    requester,
    async () => {
      const upload = await beginUpload(services, reply, send);
      upload.stream.resume();
      return fingerprint(upload).catch(throwAsProblem).finally(upload.release);
    },
    draft,
  );
  if (repeated) return replyWithMessage(reply, repeated);
  assertSchedule(request, delivery.wallNow());
  assertWithinRules(callerOf(request), draft, queryPointers);
  // After the look-up of a repeat, which is answered from the record whatever has happened to its template since.
  await preflight?.(context);
  assertLengthDeclared(config, request);
  const upload = await beginUpload(services, reply, send);
  const streamed: StreamedUpload = {
    open: (canSend) => transmit(services, upload, { call: send.call, context, canSend }),
    complete: upload.complete,
    bodyReceived: upload.done,
    cancel: () => upload.stream.destroy(),
    fileName: upload.file.fileName,
    expected: send.expected,
    operation: send.call.operation,
    clientError: () => upload.done.then(() => undefined, faultOf),
    fingerprint: () => fingerprint(upload).catch(() => undefined),
  };
  const sent = delivery
    .stream({ requester, draft, streamed, context, waitMs: sendWaitMs(request, context) })
    .finally(upload.release);
  return replyWithMessage(reply, await sent);
}

function assertLengthDeclared({ UPLOAD_FRAMING: framing }: Config, request: FastifyRequest): void {
  if (framing !== 'length' || request.headers['content-length'] !== undefined) return;
  throw new Problem('malformed-request', 'the request needs a Content-Length here; nothing was sent');
}

function beginUpload({ config, uploads }: StreamServices, reply: FastifyReply, { call, file }: StreamedSend) {
  const own = { field: 'file', upstreamField: call.field, bytesMax: config.UPLOAD_MAX_BYTES, fileId: randomUUID() };
  const holder = callerOf(reply.request).id;
  return uploads.begin(reply.request, { ...file(), ...own, holder, onRead: () => sendContinue(reply) });
}

interface Transmission {
  call: StreamedSendCall;
  context: CallContext;
  canSend: () => boolean;
}

function transmit({ config, streams }: StreamServices, upload: Upload, { call, context, canSend }: Transmission) {
  const { stream, contentType, file } = upload;
  const { field, ...rest } = call;
  const { contentLength = config.UPLOAD_MAX_BYTES } = file;
  return streams.send(context, {
    ...rest,
    body: stream,
    contentType,
    contentLength: config.UPLOAD_FRAMING === 'chunked' ? undefined : file.contentLength,
    totalMs: config.UPLOAD_TIMEOUT_MS + Math.ceil(contentLength / bytesPerMs),
    canSend,
    hasPermit: true,
  });
}

/** The Problem of the caller's body; undefined: the body is not at fault. */
function faultOf(error: unknown): Problem | undefined {
  const problem = asProblem(error);
  return problem instanceof Problem ? problem : undefined;
}

function throwAsProblem(error: unknown): never {
  throw asProblem(error);
}
