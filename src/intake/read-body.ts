import type { IncomingMessage } from 'node:http';
import type { Release, SharedPool } from '../pools/shared-pool.ts';

/** Why there is no body: it is longer than it may be, did not come whole, came too slowly, or there is no memory for it. */
export type NoBody = 'too-large' | 'broken' | 'late' | 'no-room';

export interface ReadOptions {
  bytesMax: number;
  timeoutMs: number;
  /** Bytes of bodies that are being read or recorded. */
  pool: SharedPool;
  /** Its sender. */
  holder: string;
  /** Pieces taken from the pool; the caller releases them with its answer. */
  taken: Release[];
}

/** Memory is taken in pieces as a body comes in: what is announced may never come, and a body in chunks announces nothing. */
const pieceBytes = 16 * 1024;

/** The whole body as it is, whatever its type and coding are said to be. Reads no further than it needs. */
export function readBody(
  request: IncomingMessage,
  { bytesMax, timeoutMs, pool, holder, taken }: ReadOptions,
): Promise<Buffer | NoBody> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let length = 0;
    let room = 0;
    const end = (result: Buffer | NoBody) => {
      clearTimeout(timer);
      request.off('data', take).off('end', whole).off('close', broken).off('error', broken);
      request.pause();
      resolve(result);
    };
    const take = (chunk: Buffer) => {
      length += chunk.length;
      if (length > bytesMax) return end('too-large');
      while (room < length) {
        const piece = pool.take(holder, pieceBytes);
        if (typeof piece === 'string') return end('no-room');
        taken.push(piece);
        room += pieceBytes;
      }
      chunks.push(chunk);
    };
    const whole = () => end(Buffer.concat(chunks, length));
    const broken = () => end('broken');
    const timer = setTimeout(end, timeoutMs, 'late' as const);
    if (Number(request.headers['content-length'] ?? 0) > bytesMax) return end('too-large');
    if (request.destroyed) return end('broken');
    request.on('data', take).once('end', whole).once('close', broken).once('error', broken);
  });
}
