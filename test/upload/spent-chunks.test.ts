import { setImmediate } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { reframe } from '../../src/upload/multipart.ts';
import { SpentChunks } from '../../src/upload/spent-chunks.ts';
import { DEFAULTS, form, JPEG, readStrictly } from './multipart-helper.ts';

const chunkBytes = 5_000;
/** Without a CR, so that each chunk goes out as a view on itself. */
const file = Buffer.concat([JPEG, Buffer.from(Array.from({ length: 8_000 }, (_, at) => `${at},`).join(''))]);

/** Chunks with memory of their own, as a socket has them. */
function chunksOf(body: Buffer): Buffer[] {
  const count = Math.ceil(body.length / chunkBytes);
  return Array.from({ length: count }, (_, at) => {
    const part = body.subarray(at * chunkBytes, (at + 1) * chunkBytes);
    const chunk = Buffer.allocUnsafeSlow(part.length);
    part.copy(chunk);
    return chunk;
  });
}

describe('the chunks of an upload', () => {
  it('are given back when a reader who paused resumes, and reach him whole', async () => {
    const chunks = chunksOf(form({ file }));
    const { stream, contentType } = reframe(DEFAULTS);
    const out: Buffer[] = [];
    let waiting: Buffer[] = [];
    stream.on('data', (bytes: Buffer) => {
      waiting.push(bytes);
      stream.pause();
      // Later, as a socket that has to drain: until then nothing of it may be gone.
      setTimeout(() => {
        out.push(...waiting.map((view) => Buffer.from(view)));
        waiting = [];
        stream.resume();
      }, 2);
    });
    const ended = new Promise((resolve) => stream.once('end', resolve));
    for (const chunk of chunks) {
      stream.write(chunk);
      await setImmediate();
    }
    stream.end();
    await ended;
    out.push(...waiting);
    expect(readStrictly(Buffer.concat(out), contentType)?.file.equals(file)).toBe(true);
    // The first is held until it told what the file is, the last ones may be followed by no resume.
    expect(chunks.slice(1, -2).map(({ byteLength }) => byteLength)).toEqual(chunks.slice(1, -2).map(() => 0));
  });

  it('stay while the reader is paused, and while they wait for him', async () => {
    const chunks = chunksOf(form({ file }));
    const { stream } = reframe(DEFAULTS);
    let seen = 0;
    stream.on('data', () => {
      seen += 1;
      if (seen === 3) stream.pause();
    });
    for (const chunk of chunks.slice(0, 6)) {
      stream.write(chunk);
      await setImmediate();
    }
    expect(stream.isPaused()).toBe(true);
    expect(chunks.slice(0, 6).every(({ byteLength }) => byteLength === chunkBytes)).toBe(true);
    stream.resume();
    // Out are the opening and two chunks; the next ones have yet to go.
    expect(chunks.slice(2, 6).every(({ byteLength }) => byteLength === chunkBytes)).toBe(true);
    expect(chunks[1]?.byteLength).toBe(0);
    stream.destroy();
  });

  it('stay when they are views on memory that others use', () => {
    const memory = Buffer.allocUnsafeSlow(2 * chunkBytes);
    const view = memory.subarray(0, chunkBytes);
    const spent = new SpentChunks();
    spent.add(view, chunkBytes);
    spent.release(chunkBytes);
    expect(memory.byteLength).toBe(2 * chunkBytes);
    expect(view.byteLength).toBe(chunkBytes);
  });

  it('stay with a check, which may hold views on them', async () => {
    const chunks = chunksOf(form({ file }));
    const { stream } = reframe({ ...DEFAULTS, check: { write: () => {}, end: () => undefined } });
    stream.on('data', () => {
      stream.pause();
      setTimeout(() => stream.resume(), 1);
    });
    const ended = new Promise((resolve) => stream.once('end', resolve));
    for (const chunk of chunks) stream.write(chunk);
    stream.end();
    await ended;
    expect(chunks.every(({ byteLength }) => byteLength > 0)).toBe(true);
  });
});
