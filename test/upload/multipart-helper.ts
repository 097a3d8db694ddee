import { createHash, randomUUID } from 'node:crypto';
import { Readable } from 'node:stream';
import multipart from '@fastify/multipart';
import Fastify, { type FastifyRequest } from 'fastify';
import { reframe } from '../../src/upload/multipart.ts';
import type { FileDigest, FileHead, ReframeOptions } from '../../src/upload/reframed.ts';
import { UploadError } from '../../src/upload/upload-error.ts';

export const BOUNDARY = 'XyZ';

export const JPEG = Buffer.from('ffd8ffe000104a46494600010100000100010000', 'hex');
export const PNG = Buffer.from(
  '89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000049444154',
  'hex',
);
export const PDF = Buffer.from('%PDF-1.7\n%\u00e2\u00e3\n1 0 obj\n');
export const CFB = Buffer.concat([Buffer.from('d0cf11e0a1b11ae1', 'hex'), Buffer.alloc(600)]);
export const MP4 = Buffer.from('0000001866747970697364660000020069736f6d69736f32', 'hex').fill('isom', 8, 12);

/** A stored zip entry, as the beginning of an office file has it. */
export function zip(name: string): Buffer {
  const header = Buffer.alloc(30);
  header.writeUInt32LE(0x04034b50, 0);
  header.writeUInt16LE(20, 4);
  header.writeUInt32LE(4, 18);
  header.writeUInt32LE(4, 22);
  header.writeUInt16LE(name.length, 26);
  return Buffer.concat([header, Buffer.from(name), Buffer.from('data')]);
}

/** `start` grown to a length with bytes that come close to a delimiter often. */
export function grow(start: Buffer, length: number): Buffer {
  const filler = Buffer.from(`\r\n--Xy\r\r\n--X\r\n-\n--${BOUNDARY}\n`);
  return Buffer.concat([start, Buffer.alloc(Math.max(0, length - start.length), filler)], length).fill(
    'x',
    Math.min(start.length, length),
    Math.min(start.length + 1, length),
  );
}

export interface Form {
  headers?: string[];
  disposition?: string;
  type?: string | null;
  file?: Buffer | string;
  preamble?: string;
  end?: string;
}

/** A well-formed upload but for what is given. */
export function form(parts: Form = {}): Buffer {
  const disposition = parts.disposition ?? 'form-data; name="file"; filename="a.jpg"';
  const type = parts.type === undefined ? 'image/jpeg' : parts.type;
  const headers = parts.headers ?? [
    `Content-Disposition: ${disposition}`,
    ...(type === null ? [] : [`Content-Type: ${type}`]),
  ];
  return Buffer.concat([
    Buffer.from(`${parts.preamble ?? ''}--${BOUNDARY}\r\n${headers.map((line) => `${line}\r\n`).join('')}\r\n`),
    Buffer.from(parts.file ?? JPEG),
    Buffer.from(parts.end ?? `\r\n--${BOUNDARY}--\r\n`),
  ]);
}

export interface Outcome {
  out: Buffer;
  contentType?: string;
  head?: FileHead;
  done?: FileDigest;
  error?: unknown;
}

export interface RunOptions extends Partial<ReframeOptions> {
  contentType?: string;
  contentLength?: number;
}

const usual: ReframeOptions = {
  field: 'file',
  upstreamField: 'file',
  bytesMax: 100 * 1024 * 1024,
  kinds: 'media',
  fileId: '0042',
};

export function* slices(body: Buffer, sizes: readonly number[]): Generator<Buffer> {
  let at = 0;
  for (let turn = 0; at < body.length; turn += 1) {
    const size = sizes[turn % sizes.length] ?? 1;
    yield body.subarray(at, at + size);
    at += size;
  }
}

type Use = (request: FastifyRequest) => unknown;

const uses = new Map<string, Use>();
const server = Fastify();
await server.register(multipart);
// What a request without a body may say of it is not looked at by Fastify.
server.addContentTypeParser('*', (_request, _payload, done) => done(null));
server.post('/:run', async (request) => {
  await uses.get(request.url)?.(request);
  return '';
});

/** Lets `use` have a request for a route with nothing but forms, whose body comes in as these chunks. */
export async function receive(
  chunks: Iterable<Buffer> | AsyncIterable<Buffer>,
  { contentType, contentLength }: RunOptions,
  use: Use,
) {
  const url = `/${randomUUID()}`;
  uses.set(url, use);
  const headers = {
    'content-type': contentType ?? `multipart/form-data; boundary=${BOUNDARY}`,
    ...(contentLength !== undefined && { 'content-length': String(contentLength) }),
  };
  const answer = await server.inject({ method: 'POST', url, headers, payload: Readable.from(chunks) });
  uses.delete(url);
  if (answer.statusCode !== 200) throw new Error(answer.body);
}

/** Begins a body of ours of a request. */
export const reframed = (request: FastifyRequest, { contentType, contentLength, ...options }: RunOptions = {}) =>
  reframe(request, { ...usual, ...options });

/** Sends a body through in pieces of these sizes (repeated), reading along; checks what must hold of every run. */
export async function run(body: Buffer, options: RunOptions = {}, sizes = [65_536]): Promise<Outcome> {
  let outcome: Outcome = { out: Buffer.alloc(0) };
  await receive(slices(body, sizes), options, async (request) => {
    outcome = await readAlong(request, options);
  });
  return outcome;
}

async function readAlong(request: FastifyRequest, options: RunOptions): Promise<Outcome> {
  const out: Buffer[] = [];
  let begun: ReturnType<typeof reframed>;
  try {
    begun = reframed(request, options);
  } catch (error) {
    return { out: Buffer.alloc(0), error };
  }
  const { stream, head, done, contentType } = begun;
  let headKnown = false;
  head.then(
    () => {
      headKnown = true;
    },
    () => {},
  );
  stream.on('data', (chunk: Buffer) => {
    if (!headKnown) throw new Error('bytes went out before the head was known');
    out.push(chunk);
  });
  await new Promise((resolve) => stream.once('close', resolve));
  const [headResult, doneResult] = await Promise.allSettled([head, done]);
  return {
    out: Buffer.concat(out),
    contentType,
    ...(headResult.status === 'fulfilled' ? { head: headResult.value } : {}),
    ...(doneResult.status === 'fulfilled' ? { done: doneResult.value } : { error: doneResult.reason }),
  };
}

export function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** A reader that takes our own bodies and nothing else. */
export function readStrictly(body: Buffer, contentType = ''): { headers: string[]; file: Buffer } | undefined {
  const boundary = /^multipart\/form-data; boundary=([\w-]{1,70})$/.exec(contentType)?.[1];
  const opening = `--${boundary}\r\n`;
  const closing = Buffer.from(`\r\n--${boundary}--`);
  if (boundary === undefined || body.indexOf(opening) !== 0) return undefined;
  const blank = body.indexOf('\r\n\r\n');
  const end = body.indexOf(closing, blank);
  if (blank === -1 || end === -1 || body.indexOf(`--${boundary}`, opening.length) !== end + 2) return undefined;
  if (!/^ ?(\r\n)*$/.test(body.toString('latin1', end + closing.length))) return undefined;
  return { headers: body.toString('utf8', opening.length, blank).split('\r\n'), file: body.subarray(blank + 4, end) };
}

export function codeOf(outcome: Outcome): string | undefined {
  return outcome.error instanceof UploadError ? outcome.error.code : undefined;
}
