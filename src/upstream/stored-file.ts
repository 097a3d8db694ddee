import { Readable } from 'node:stream';
import { brotliDecompressSync, constants, unzipSync } from 'node:zlib';
import { Problem } from '../problem.ts';
import { reasonOf } from './answers/reason.ts';
import { successOf } from './answers/success-flags.ts';
import { type AuthDiagnosis, type CallContext, responseAborted, statusProblem } from './client.ts';
import type { StreamingResponse } from './streaming.ts';
import { asNumber, isObject, parseJson } from './tolerant-reader.ts';

/** As much of an answer as is looked at to tell a page from a file. */
const startBytes = 512;
/** The same where it may be JSON, which is read whole to tell a failure. */
const jsonBytes = 64 * 1024;

/**
 * The bytes of a stored file. An answer with a 2xx that is a page or a failure in JSON is none, whatever it is called, and
 * never handed out as one. Throws that Problem; the body is then the caller's to destroy.
 */
export async function fileOf(
  answer: StreamingResponse,
  path: string,
  context: CallContext,
  diagnosis: AuthDiagnosis,
): Promise<Readable> {
  const { status } = answer;
  const type = headerOf(answer, 'content-type')?.toLowerCase() ?? '';
  if (status >= 200 && status < 300) {
    if (/html/.test(type)) throw noFile(status, 'a web page');
    const { head, rest } = await peek(answer.body, (start) => (mayBeJson(start, type) ? jsonBytes : startBytes));
    const fault = faultOf(textOf(head, answer), { status, type, path });
    if (fault === undefined) return rest;
    rest.destroy();
    throw fault;
  }
  const { head } = await peek(answer.body, () => jsonBytes);
  const text = new TextDecoder().decode(head);
  const body = parseJson(text);
  if (status === 400) {
    const fault = await diagnosis.connectionProblem(context.connection, reasonOf(body, text), context.untilMs);
    if (fault !== undefined) throw new Problem('connection-unusable', fault, { upstream: { status } });
  }
  if (status === 404) throw missing();
  throw statusProblem({ ...answer, text }, reasonOf(body, text));
}

const headerOf = (answer: StreamingResponse, name: string): string | undefined => {
  const value = answer.headers[name];
  return Array.isArray(value) ? value[0] : value;
};

const missing = () => new Problem('not-found', 'WATI has no such file');

const noFile = (status: number, what: string) =>
  new Problem('upstream-invalid', `the upstream answered with ${what} in the place of the file`, {
    upstream: { status },
  });

function faultOf(
  text: string,
  { status, type, path }: { status: number; type: string; path: string },
): Problem | undefined {
  if (isPage(text)) return noFile(status, 'a web page');
  const extension = /\.([a-z0-9]{1,5})$/i.exec(path)?.[1]?.toLowerCase();
  const body = parseJson(text);
  if (isObject(body)) {
    const told = asNumber(body.status) ?? asNumber(body.statusCode) ?? 0;
    if (successOf(body) === 'no' || told === 404) return missing();
    if (told >= 400 || extension === undefined || !textual.has(extension)) return noFile(status, 'JSON');
  }
  return extension !== undefined && binary.has(extension) && /^text\//.test(type)
    ? noFile(status, 'a text')
    : undefined;
}

/** Files that may hold JSON themselves. */
const textual = new Set(['json', 'txt', 'csv', 'log', 'md', 'geojson']);
/** Files that are never text. */
const binary = new Set([
  ...['jpg', 'jpeg', 'png', 'webp', 'gif', 'mp4', '3gp', 'mov', 'aac', 'amr', 'mp3', 'm4a', 'ogg', 'oga', 'opus'],
  ...['pdf', 'doc', 'docx', 'xls', 'xlsx', 'ppt', 'pptx', 'zip'],
]);

const pageStarts = ['<!doctype html', '<html', '<head', '<body', '<title', '<meta', '<script', '<h1', '<center'];

/** HTML by its first element, behind comments and a declaration of XML. */
function isPage(text: string): boolean {
  let start = text.slice(0, 4_096).trimStart().toLowerCase();
  while (start.startsWith('<!--') || start.startsWith('<?xml')) {
    const end = start.startsWith('<?') ? start.indexOf('?>') + 2 : start.indexOf('-->') + 3;
    if (end < 4) return false;
    start = start.slice(end).trimStart();
  }
  return pageStarts.some((each) => start.startsWith(each));
}

const mayBeJson = (start: Buffer, type: string): boolean =>
  /json|^text\/plain/.test(type) ||
  /^\s*[{[]/.test(start.subarray(0, 64).toString('latin1').replace('\xef\xbb\xbf', ''));

/** The beginning of a file as text, unpacked where it is packed; nothing where it cannot be. */
function textOf(head: Buffer, answer: StreamingResponse): string {
  const bytes = unpacked(head, headerOf(answer, 'content-encoding')?.trim().toLowerCase() ?? '');
  const mark = bytes.subarray(0, 2).toString('hex');
  const encoding = mark === 'fffe' ? 'utf-16le' : mark === 'feff' ? 'utf-16be' : 'utf-8';
  return new TextDecoder(encoding).decode(bytes);
}

function unpacked(head: Buffer, encoding: string): Buffer {
  const bounds = { maxOutputLength: 1024 * 1024 };
  try {
    if (['gzip', 'x-gzip', 'deflate'].includes(encoding)) {
      return unzipSync(head, { ...bounds, finishFlush: constants.Z_SYNC_FLUSH });
    }
    if (encoding !== 'br') return head;
    return brotliDecompressSync(head, { ...bounds, finishFlush: constants.BROTLI_OPERATION_FLUSH });
  } catch {
    return Buffer.alloc(0);
  }
}

/** The first bytes, and the whole stream again with them in front. `enough`: how many, by what is there. */
async function peek(body: Readable, enough: (start: Buffer) => number): Promise<{ head: Buffer; rest: Readable }> {
  const chunks: Buffer[] = [];
  const iterator: AsyncIterator<Buffer> = body.iterator({ destroyOnReturn: false });
  let bytes = 0;
  let ended = false;
  while (!ended && (bytes < startBytes || bytes < enough(chunks[0] ?? Buffer.alloc(0)))) {
    const next = await iterator.next().catch((error: unknown) => {
      throw responseAborted(error);
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
  // One that is given up before it is read takes what it was made of along.
  rest.once('close', () => body.destroy());
  return { head: Buffer.concat(chunks), rest };
}
