import type { Dispatcher } from 'undici';
import { Pool } from '../lib/undici.ts';

/** The connection pools, one per purpose. */
export interface Dispatchers {
  reads: Dispatcher;
  /** Streamed answers, each of which may occupy its connection for minutes. */
  downloads: Dispatcher;
  sends: Dispatcher;
  control: Dispatcher;
  close(): Promise<void>;
}

/**
 * HTTP/2 is off, because undici repeats a POST by itself on REFUSED_STREAM. No interceptor follows redirects or retries, and
 * none decompresses, so the size that is counted is that of the answer.
 */
const shared = {
  allowH2: false,
  connect: { timeout: 3_000, rejectUnauthorized: true },
  headersTimeout: 0, // the total deadline of the transport covers both, to the millisecond
  bodyTimeout: 0,
  maxHeaderSize: 16_384,
};

/**
 * The most connections: more than can be in use at once (calls of 20 s, ten a second, and all uploads). Otherwise undici would
 * queue calls, and send them all at once when the upstream responds again, past the rate limiter.
 */
const connections = 512;

/** The same for downloads: ten a second, and UPLOAD_TIMEOUT_MS for each. */
const downloadsMax = 2_048;

/**
 * One pool per host for reads. A second one for sends, because reused sockets are the largest source of `unknown`
 * (docs/adr/0006-a-fresh-connection-for-each-send.md). One for downloads, so that slow ones do not block reads.
 */
export function openDispatchers(gatewayUrl: string, controlUrl: string): Dispatchers {
  const keepAlive = { ...shared, pipelining: 1, keepAliveTimeout: 4_000, keepAliveMaxTimeout: 30_000 };
  const reads = new Pool(gatewayUrl, { ...keepAlive, connections });
  const downloads = new Pool(gatewayUrl, { ...keepAlive, connections: downloadsMax });
  // Writes wait for the kernel after each chunk of the caller's socket, so that it is known how much was sent (src/upload/).
  const connect = { ...shared.connect, highWaterMark: 16_384 };
  const sends = new Pool(gatewayUrl, { ...shared, connect, pipelining: 0, connections });
  const control = new Pool(controlUrl, { ...keepAlive, connections });
  return {
    reads,
    downloads,
    sends,
    control,
    close: async () => {
      await Promise.all([reads.destroy(), downloads.destroy(), sends.destroy(), control.destroy()]);
    },
  };
}
