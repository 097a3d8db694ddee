import { randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { allKey, type Service } from '../support/service.ts';
import { BOUNDARY, form, grow, PDF } from '../upload/multipart-helper.ts';

export const fileTo = (to: string) => `/v1/messages/file?to=${to}`;
export const filePath = fileTo('14155551000');
export const csvPath = '/v1/broadcasts/csv?template=welcome&broadcastName=hello';
export const multipartType = `multipart/form-data; boundary=${BOUNDARY}`;
export const MIB = 1024 * 1024;

export interface RawAnswer {
  status: number;
  headers: Record<string, string>;
  text: string;
  json: Record<string, unknown>;
}

/** One request over a socket of its own, written as the test wants it. */
export interface RawRequest {
  socket: Socket;
  /** Resolves when the bytes are out of this process, or the other side is gone. */
  write(bytes: Buffer | string): Promise<void>;
  /** The final answer; 1xx are in `interim`. Rejects when the socket closes without one. */
  answer(): Promise<RawAnswer>;
  interim: number[];
  closed: Promise<void>;
}

export interface RawOptions {
  path?: string;
  key?: string | null;
  headers?: Record<string, string>;
}

/** Writes the head; the body is the test's. Without a `content-length` the head says chunked. */
export function openRequest(
  service: Pick<Service, 'url'>,
  { path = filePath, key = allKey, headers = {} }: RawOptions,
): RawRequest {
  const { port } = new URL(service.url);
  const socket = connect({ host: '127.0.0.1', port: Number(port) });
  const lines = {
    host: '127.0.0.1',
    'content-type': multipartType,
    ...(key !== null && { authorization: `Bearer ${key}` }),
    ...(headers['content-length'] === undefined && { 'transfer-encoding': 'chunked' }),
    ...headers,
  };
  const head = Object.entries(lines).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.write(`POST ${path} HTTP/1.1\r\n${head.join('')}\r\n`);
  const interim: number[] = [];
  const answer = Promise.withResolvers<RawAnswer>();
  answer.promise.catch(() => {});
  let text = '';
  socket.on('data', (bytes) => {
    text += bytes.toString('latin1');
    for (let end = text.indexOf('\r\n\r\n'); end !== -1 && /^HTTP\/1.1 1/.test(text); end = text.indexOf('\r\n\r\n')) {
      interim.push(Number(text.slice(9, 12)));
      text = text.slice(end + 4);
    }
    const whole = parsed(text);
    if (whole) answer.resolve(whole);
  });
  socket.on('error', () => {});
  // Not once() of node:events, which a reset rejects.
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve())).then(() =>
    answer.reject(new Error(`closed without an answer: ${text}`)),
  );
  return {
    socket,
    write: (bytes) => new Promise((resolve) => socket.write(bytes, () => resolve())),
    answer: () => answer.promise,
    interim,
    closed,
  };
}

function parsed(text: string): RawAnswer | undefined {
  const end = text.indexOf('\r\n\r\n');
  if (end === -1) return undefined;
  const [first = '', ...lines] = text.slice(0, end).split('\r\n');
  const headers = Object.fromEntries(
    lines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]),
  );
  const body = text.slice(end + 4);
  if (body.length < Number(headers['content-length'] ?? 0)) return undefined;
  return { status: Number(first.split(' ')[1]), headers, text: body, json: JSON.parse(body || '{}') };
}

export const chunk = (bytes: Buffer): Buffer =>
  Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from('\r\n')]);

/** A whole body at once, with its length or chunked. */
export async function post(service: Service, body: Buffer, options: RawOptions & { chunked?: boolean } = {}) {
  const { chunked = false, headers = {}, ...rest } = options;
  const length: Record<string, string> = chunked ? {} : { 'content-length': String(body.length) };
  const request = openRequest(service, { ...rest, headers: { ...length, ...headers } });
  request.socket.write(
    chunked ? Buffer.concat([...(body.length > 0 ? [chunk(body)] : []), Buffer.from('0\r\n\r\n')]) : body,
  );
  const answer = await request.answer();
  request.socket.destroy();
  return answer;
}

/** Repeats itself for one seed (mulberry32): a failure can be run again. */
export function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

const noise = randomBytes(MIB);

/** Full of near-boundaries, but never ending in one: that would be a boundary. Noise where there is much of it. */
export function sized(start: Buffer, bytes: number): Buffer {
  if (bytes <= 8 * MIB) return grow(start, bytes).fill('x', Math.max(start.length, bytes - 1));
  const file = Buffer.alloc(bytes, noise);
  start.copy(file);
  return file;
}

export const pdf = (bytes: number): Buffer => sized(PDF, bytes);

/** The seeded one: named by the settings, nothing is asked of the control API. */
export const connection = { MATON_CONNECTION_ID: '21fd90f9-5935-43cd-b6c8-bde9d915ca80' };

export const pdfForm = (file: Buffer): Buffer =>
  form({ disposition: 'form-data; name="file"; filename="a.pdf"', type: 'application/pdf', file });

export const csvForm = (file: Buffer | string): Buffer =>
  form({ disposition: 'form-data; name="file"; filename="people.csv"', type: 'text/csv', file });

/** What the log said of the last request. */
export const lastLine = (service: Service) => service.logs().findLast(({ msg }) => msg === 'request');

export const textForm = (file: Buffer | string): Buffer =>
  form({ disposition: 'form-data; name="file"; filename="a.txt"', type: 'text/plain', file });
