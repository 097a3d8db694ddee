import type { IncomingMessage } from 'node:http';
import type { Release, SharedPool } from '../pools/shared-pool.ts';

/** Why a body was not read: longer than allowed, connection broken, too slow, or no memory left in the pool. */
export type NoBody = 'too-large' | 'broken' | 'late' | 'no-room';

export interface ReadOptions {
  bytesMax: number;
  timeoutMs: number;
  /** Bytes of bodies that are being read or recorded. */
  pool: SharedPool;
  /** Who sent the body. */
  holder: string;
  /** Pieces taken from the pool; the caller releases them with its answer. */
  taken: Release[];
}

/**
 * Memory is taken from the pool piece by piece as the body arrives. Content-Length is not reserved, because the announced bytes
 * may never come, and chunked bodies announce none.
 */
const pieceBytes = 16 * 1024;

/** Reads the whole body as bytes, whatever content type and encoding are declared. Stops as soon as it is certain to be refused. */
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
