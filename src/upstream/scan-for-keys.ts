import { pipeline, type Readable, Transform } from 'node:stream';
import { setImmediate } from 'node:timers/promises';
import { createBrotliDecompress, createUnzip, createZstdDecompress } from 'node:zlib';
import type { KeyFinder, Search } from '../keys/key-finder.ts';
import { BodyRejectedError } from './body-rejected-error.ts';

/** Bytes that are kept back because they may be the beginning of a key. */
const keptBytesMax = 1_024;

/** The most decompressed bytes that are scanned. */
const unpackedMax = 32 * 1024 * 1024;

/** Passes a body through and scans it for keys. Aborts with BodyRejectedError if it contains one. */
export function scanForKeys(
  body: Readable,
  encoding: string,
  { finder, onEcho }: { finder: KeyFinder; onEcho: () => void },
): Readable {
  const search = finder.search();
  const inside = unpacking(encoding, finder);
  let kept: Buffer = Buffer.alloc(0);
  const found = () => {
    onEcho();
    return new BodyRejectedError('KEY_ECHOED');
  };
  const through = new Transform({
    highWaterMark: 64 * 1024,
    transform(chunk: Buffer, _encoding, done) {
      if (search.push(chunk)) return done(found());
      const go = () => {
        const rest = kept.length === 0 ? chunk : Buffer.concat([kept, chunk]);
        const keep = search.isAmid() ? Math.min(rest.length, keptBytesMax) : 0;
        kept = rest.subarray(rest.length - keep);
        done(null, rest.subarray(0, rest.length - keep));
      };
      if (!inside) return go();
      inside(chunk).then((isIn) => (isIn ? done(found()) : go()), done);
    },
    flush(done) {
      if (search.push(Buffer.alloc(0), true)) return done(found());
      done(null, kept);
    },
  });
  // Each stream destroys the other on an error, and reports its own.
  pipeline(body, through, () => {});
  through.on('error', () => {});
  return through;
}

/**
 * The service does not ask WATI for compression. If WATI compresses all the same, the bytes are passed on unchanged, and their
 * decompressed content is scanned.
 */
function unpacking(encoding: string, finder: KeyFinder): ((chunk: Buffer) => Promise<boolean>) | undefined {
  const decoder = decoderOf(encoding.trim().toLowerCase());
  if (!decoder) return undefined;
  const search: Search = finder.search();
  let isIn = false;
  let bytes = 0;
  let isOver = false;
  decoder.on('data', (text: Buffer) => {
    bytes += text.length;
    isIn ||= search.push(text);
    if (bytes > unpackedMax) decoder.destroy();
  });
  decoder.on('error', () => {});
  decoder.on('close', () => {
    isOver = true;
  });
  return async (chunk) => {
    if (isOver) return isIn;
    const { promise, resolve } = Promise.withResolvers<void>();
    decoder.once('close', resolve);
    decoder.write(chunk, () => resolve());
    await promise;
    decoder.off('close', resolve);
    await setImmediate();
    return isIn;
  };
}

function decoderOf(encoding: string): Transform | undefined {
  if (['gzip', 'x-gzip', 'deflate'].includes(encoding)) return createUnzip();
  if (encoding === 'br') return createBrotliDecompress();
  return encoding === 'zstd' ? createZstdDecompress() : undefined;
}
