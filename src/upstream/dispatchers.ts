import { type Dispatcher, Pool } from 'undici';

/** Where calls go out: one pool a purpose. Only src/upstream imports undici. */
export interface Dispatchers {
  reads: Dispatcher;
  /** Answers that stream through: each may hold its connection for minutes. */
  downloads: Dispatcher;
  sends: Dispatcher;
  control: Dispatcher;
  close(): Promise<void>;
}

/**
 * HTTP/2 is off: undici repeats a POST by itself on REFUSED_STREAM. No interceptor follows redirects or retries,
 * and none decompresses, so an answer's size is what is counted.
 */
const shared = {
  allowH2: false,
  connect: { timeout: 3_000, rejectUnauthorized: true },
  headersTimeout: 0, // the total deadline of the transport covers both, to the millisecond
  bodyTimeout: 0,
  maxHeaderSize: 16_384,
};

/**
 * More than can be on the way at once: calls of 20 s, ten a second, and all uploads. undici would keep the rest in a queue of its
 * own, and send them together once the upstream responds again, past the rate limiter.
 */
const connections = 512;

/** The same for downloads: ten a second, and UPLOAD_TIMEOUT_MS for each. */
const downloadsMax = 2_048;

/**
 * One pool a host; a second for sends, because a kept-alive socket is the largest source of `unknown` (docs/adr/0006-a-fresh-connection-for-each-send.md);
 * one for downloads, so that no slow one stands in the way of a read.
 */
export function openDispatchers(gatewayUrl: string, controlUrl: string): Dispatchers {
  const keepAlive = { ...shared, pipelining: 1, keepAliveTimeout: 4_000, keepAliveMaxTimeout: 30_000 };
  const reads = new Pool(gatewayUrl, { ...keepAlive, connections });
  const downloads = new Pool(gatewayUrl, { ...keepAlive, connections: downloadsMax });
  // A file waits for the kernel after each read of the caller's socket, so that what has gone out is known (src/upload/).
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
