import { type ClientRequest, Agent as HttpAgent, request as httpRequest, type RequestOptions } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';

/** Posts JSON to one address only: no proxy, no redirects. */
export interface Poster {
  /** Resolves with the status of the answer; rejects if there is none. */
  post(url: URL, body: string): Promise<number>;
  /** Aborts requests in flight. */
  abort(): void;
}

export interface PosterOptions {
  /** From the first byte to the end of the answer. */
  readonly timeoutMs: number;
  readonly connections: number;
}

const answerMax = 65_536;

export function createPoster({ timeoutMs, connections }: PosterOptions): Poster {
  // Shorter than the time after which receivers close idle connections.
  const kept = { keepAlive: true, maxSockets: connections, timeout: 2_000 };
  const agents = { http: new HttpAgent(kept), https: new HttpsAgent(kept) };
  const open = new Set<ClientRequest>();

  function once(url: URL, body: string): Promise<number> {
    const answer = Promise.withResolvers<number>();
    const secure = url.protocol === 'https:';
    const options: RequestOptions = {
      method: 'POST',
      agent: secure ? agents.https : agents.http,
      headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) },
    };
    const sending = (secure ? httpsRequest : httpRequest)(url, options, (response) => {
      let bytes = 0;
      response.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes > answerMax) response.destroy();
      });
      // The status is the answer, whatever happens to the rest.
      response.on('error', () => undefined);
      response.on('close', () => answer.resolve(response.statusCode ?? 0));
    });
    const timer = setTimeout(() => sending.destroy(new Error('no answer in time')), timeoutMs).unref();
    open.add(sending);
    sending.on('close', () => {
      clearTimeout(timer);
      open.delete(sending);
    });
    sending.on('error', (error) => answer.reject(sending.reusedSocket ? new Stale(error) : error));
    sending.end(body);
    return answer.promise;
  }

  return {
    async post(url, body) {
      try {
        return await once(url, body);
      } catch (error) {
        // The receiver closed the idle connection, which says nothing about this post.
        if (error instanceof Stale && error.isReset) return once(url, body);
        throw error;
      }
    },
    abort() {
      for (const sending of open) sending.destroy(new Error('the simulated WATI starts anew'));
      for (const agent of Object.values(agents)) agent.destroy();
    },
  };
}

/** The failure of a connection that was used before. */
class Stale extends Error {
  readonly isReset: boolean;

  constructor(cause: Error) {
    super(cause.message, { cause });
    this.isReset = 'code' in cause && (cause.code === 'ECONNRESET' || cause.code === 'EPIPE');
  }
}
