import type { Readable } from 'node:stream';
import { Problem } from '../problem.ts';
import { headerOf, jsonBytes, peek, refusalFrom, startBytes, textOf } from './answer-start.ts';
import { successOf } from './answers/success-flags.ts';
import { type AuthDiagnosis, type CallContext, refusedBy, responseAborted } from './client.ts';
import type { StreamingResponse } from './streaming.ts';
import { asNumber, isObject, parseJson } from './tolerant-reader.ts';

/**
 * Passes on the bytes of a stored file. A 2xx whose body is an HTML page or a failure in JSON is no file, whatever its content
 * type, and is never passed on. Throws that Problem; the caller then destroys the body.
 */
export async function fileOf(
  answer: StreamingResponse,
  path: string,
  { context, diagnosis }: { context: CallContext; diagnosis: AuthDiagnosis },
): Promise<Readable> {
  const { status } = answer;
  const type = headerOf(answer, 'content-type')?.toLowerCase() ?? '';
  if (status >= 200 && status < 300) {
    if (/html/.test(type)) throw noFile(status, 'a web page');
    const enough = (start: Buffer) => (mayBeJson(start, type) ? jsonBytes : startBytes);
    const { head, rest } = await peek(answer.body, enough).catch((error: unknown) => {
      throw responseAborted(error);
    });
    const fault = faultOf(textOf(head, answer), { status, type, path });
    if (fault === undefined) return rest;
    rest.destroy();
    throw fault;
  }
  const refusal = await refusalFrom(answer, context.deadline);
  if (status === 404) throw missing();
  throw await refusedBy(refusal, context, diagnosis);
}

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

/** Media types of files that may contain JSON. */
const textual = new Set(['json', 'txt', 'csv', 'log', 'md', 'geojson']);
/** Media types of files that are never text. */
const binary = new Set([
  ...['jpg', 'jpeg', 'png', 'webp', 'gif', 'mp4', '3gp', 'mov', 'aac', 'amr', 'mp3', 'm4a', 'ogg', 'oga', 'opus'],
  ...['pdf', 'doc', 'docx', 'xls', 'xlsx', 'ppt', 'pptx', 'zip'],
]);

const pageStarts = ['<!doctype html', '<html', '<head', '<body', '<title', '<meta', '<script', '<h1', '<center'];

/** Recognizes HTML by its first element, after comments and an XML declaration. */
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
