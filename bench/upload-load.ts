import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { callerKey } from './processes.ts';
import type { UploadPeer } from './upload-peers.ts';

export const MB = 1_000_000;
const boundary = 'bench-0123456789abcdef';

function form(fileName: string, type: string, file: Buffer): Buffer {
  const head = `--${boundary}\r\nContent-Disposition: form-data; name="file"; filename="${fileName}"\r\nContent-Type: ${type}\r\n\r\n`;
  return Buffer.concat([Buffer.from(head), file, Buffer.from(`\r\n--${boundary}--\r\n`)]);
}

/** Noise behind a PDF's first line: nothing that a buffer search could skip over. */
export function pdfForm(bytes: number): Buffer {
  const file = Buffer.alloc(bytes, randomBytes(1 << 20));
  file.write('%PDF-1.7\n');
  return form('bench.pdf', 'application/pdf', file);
}

export function csvForm(rows: number): Buffer {
  const lines = Array.from({ length: rows }, (_, at) => `9198${10_000_000 + at}\r\n`);
  return form('bench.csv', 'text/csv', Buffer.from(`Phone\r\n${lines.join('')}`));
}

/** One upload over a socket of its own; the body is written as it lies in memory. Throws unless it is taken. */
export async function upload(peer: UploadPeer, body: Buffer, path = peer.path): Promise<void> {
  const answer = await new Promise<string>((resolve, reject) => {
    const socket = connect(peer.port, '127.0.0.1');
    let text = '';
    socket.on('data', (bytes) => {
      text += bytes.toString('latin1');
      if (text.includes('\r\n\r\n')) resolve(text);
      if (text.includes('\r\n\r\n')) socket.destroy();
    });
    socket.on('error', reject);
    socket.on('close', () => reject(new Error(`${peer.name} closed without an answer`)));
    socket.write(
      `POST ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer ${callerKey}\r\nIdempotency-Key: ${randomBytes(8).toString('hex')}\r\n` +
        `Content-Type: multipart/form-data; boundary=${boundary}\r\nContent-Length: ${body.length}\r\n\r\n`,
    );
    socket.write(body);
  });
  if (!/^HTTP\/1.1 20[01] /.test(answer)) throw new Error(`${peer.name} answers ${answer}`);
}

export const atOnce = (count: number, run: () => Promise<void>) => Promise.all(Array.from({ length: count }, run));

/** Forgets the peak so far, so that the next one is of what comes. */
export const forgetPeak = (pid: number) => writeFileSync(`/proc/${pid}/clear_refs`, '5');

/** The highest resident memory since then, MB of 1,048,576. */
export const peakMb = (pid: number) =>
  Number(/^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;

/** Asks another route again and again, from a thread of its own, until it is stopped; ms of each answer. */
export function askMeanwhile({ port }: UploadPeer, path: string) {
  const workerData = { port, path, authorization: `Bearer ${callerKey}` };
  const asker = new Worker(join(import.meta.dirname, 'children/asker.ts'), { workerData });
  // Refused answers end the thread, and its times never come.
  const times = once(asker, 'message').then(([sorted]: number[][]) => sorted ?? []);
  return {
    stop: () => {
      asker.postMessage('stop');
      return times;
    },
  };
}
