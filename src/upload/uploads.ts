import { collectYoungGarbage } from '../lib/collect-garbage.ts';
import { takeOrRefuse } from '../pools/refusal.ts';
import { SharedPool } from '../pools/shared-pool.ts';
import { Problem } from '../problem.ts';
import type { ProblemSlug } from '../problem-types.ts';
import type { FormRequest } from './incoming-form.ts';
import { reframe } from './multipart.ts';
import type { FileHead, Reframed, ReframeOptions } from './reframed.ts';
import { UploadError, type UploadErrorCode } from './upload-error.ts';

/** A file that is being uploaded: what it is, and the body that WATI gets. */
export interface Upload extends Omit<Reframed, 'head'> {
  file: FileHead;
  /** Whether the final boundary was sent: from then on WATI may have the whole file. */
  complete(): boolean;
  /** Call once, when nothing is read or sent any more. */
  release(): void;
}

export interface Uploads {
  /**
   * Starts to read a caller's multipart body; resolves when the first bytes have shown the type of the file, before anything goes
   * out. Throws a Problem: 400, 413 or 415 if the body is wrong; 429 if the caller has used its share; 503 if too many uploads
   * are open.
   */
  begin(request: FormRequest, options: UploadOptions): Promise<Upload>;
  /** Uploads open now. */
  readonly open: number;
  /** Bytes of bodies read so far; only grows. */
  readonly bytes: number;
  readonly pools: readonly SharedPool[];
}

export interface UploadOptions
  extends Pick<ReframeOptions, 'field' | 'upstreamField' | 'bytesMax' | 'kinds' | 'fileId' | 'check' | 'onRead'> {
  /** The id of the caller. */
  holder: string;
  /** The file is imported into the store instead of being passed on to WATI. That costs more CPU, so there are fewer of these. */
  imports?: boolean;
}

interface UploadsConfig {
  /** The most uploads of all callers together: each holds a few hundred KB in flight. */
  openMax: number;
  /** The minimum rate of a caller after ten seconds of grace; bytes per second. */
  bytesPerSecondMin: number;
  graceMs?: number;
  checkEveryMs?: number;
}

/** Chunks of all uploads are freed after this many bytes: a few times what is in flight. */
const COLLECTED_BYTES = 8 * 1024 * 1024;

export function createUploads({
  openMax,
  bytesPerSecondMin,
  graceMs = 10_000,
  checkEveryMs = 1_000,
}: UploadsConfig): Uploads {
  const uploads = new SharedPool({ name: 'uploads', size: () => openMax });
  const imports = new SharedPool({ name: 'imports', size: () => Math.ceil(openMax / 4) });
  let bytes = 0;
  let collectedAt = 0;
  const onBytes = (count: number) => {
    bytes += count;
    if (bytes - collectedAt < COLLECTED_BYTES) return;
    collectedAt = bytes;
    collectYoungGarbage();
  };
  return {
    get open() {
      return uploads.used + imports.used;
    },
    get bytes() {
      return bytes;
    },
    pools: [uploads, imports],
    begin: async (request, options) => {
      const leave = takeOrRefuse(options.imports ? imports : uploads, options.holder, { outcome: 'not_sent' });
      let stopWatch = () => {};
      const release = () => {
        leave();
        stopWatch();
      };
      try {
        const { head, ...reframed } = reframe(request, { ...options, onBytes });
        stopWatch = watchPace(request, reframed, { bytesPerSecondMin, graceMs, checkEveryMs });
        let complete = false;
        reframed.done.then(
          () => {
            complete = true;
          },
          () => {},
        );
        return { ...reframed, file: await head, complete: () => complete, release };
      } catch (error) {
        release();
        throw asProblem(error);
      }
    },
  };
}

/**
 * Aborts uploads below the minimum rate after a grace period of ten seconds. Time spent waiting for WATI (back-pressure) does
 * not count.
 */
function watchPace(
  { raw: request }: FormRequest,
  { stream, done }: Pick<Reframed, 'stream' | 'done'>,
  { bytesPerSecondMin, graceMs, checkEveryMs }: Required<Omit<UploadsConfig, 'openMax'>>,
) {
  const { socket } = request;
  const start = socket.bytesRead;
  let waitedMs = 0;
  const timer = setInterval(() => {
    if (stream.writableNeedDrain || request.complete) return;
    waitedMs += checkEveryMs;
    const allowedMs = graceMs + ((socket.bytesRead - start) / bytesPerSecondMin) * 1000;
    if (waitedMs > allowedMs) stream.destroy(new UploadError('malformed', 'the upload came in too slowly'));
  }, checkEveryMs);
  timer.unref();
  const stop = () => clearInterval(timer);
  done.then(stop, stop);
  return stop;
}

const slugs: Record<UploadErrorCode, ProblemSlug> = {
  malformed: 'malformed-request',
  'no-file': 'malformed-request',
  'too-many-parts': 'malformed-request',
  'wrong-field': 'malformed-request',
  'too-large': 'payload-too-large',
  'unsupported-type': 'unsupported-media-type',
  'invalid-csv': 'csv-invalid',
};

/** The caller's error as a Problem; any other error unchanged. */
export function asProblem(error: unknown): unknown {
  if (!(error instanceof UploadError)) return error;
  const { code, detail, errors } = error;
  return new Problem(slugs[code], `${detail}; nothing was sent`, {
    outcome: 'not_sent',
    cause: error,
    ...(errors && { errors }),
  });
}
