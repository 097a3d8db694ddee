import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/** What came back; status 0: the connection broke. */
export interface Answer {
  status: number;
  ms: number;
  head: string;
  body: string;
}

export interface Ask {
  headers?: Record<string, string>;
  body?: string | Buffer;
}

/** Requests over as many kept connections as are needed at once. A full HTTP client would cost the load's core more than the service costs its own. */
export interface Caller {
  ask(method: string, path: string, ask?: Ask): Promise<Answer>;
  /** Opens so many beforehand; no more from then on: who finds none waits for one. */
  prepare(connections: number): Promise<void>;
  close(): void;
}

/** The service closes what is idle for ten: a request must not meet that on its way. */
const idleMsMax = 5_000;

/** The longest wait for an answer. */
const answerMsMax = 60_000;

export function createCaller(url: string, key: string): Caller {
  const { hostname, port, host } = new URL(url);
  const idle: { socket: Socket; since: number }[] = [];
  const all = new Set<Socket>();
  const waiting: ((socket: Socket) => void)[] = [];
  let connectionsMax = Number.POSITIVE_INFINITY;

  const open = (): Socket => {
    const socket = connect(Number(port), hostname).setNoDelay(true);
    all.add(socket);
    socket.on('error', () => {}).on('close', () => all.delete(socket));
    return socket;
  };

  const take = (): Socket | Promise<Socket> => {
    for (let last = idle.pop(); last; last = idle.pop()) {
      if (!last.socket.destroyed && performance.now() - last.since < idleMsMax) return last.socket;
      last.socket.destroy();
    }
    return all.size >= connectionsMax ? new Promise((resolve) => waiting.push(resolve)) : open();
  };

  const giveBack = (socket: Socket) => {
    const next = waiting.shift();
    if (next) next(socket);
    else idle.push({ socket, since: performance.now() });
  };

  return {
    prepare: async (connections) => {
      while (all.size < connections) {
        const socket = open();
        await once(socket, 'connect');
        idle.push({ socket, since: performance.now() });
      }
      connectionsMax = connections;
    },
    ask: async (method, path, { headers = {}, body = '' } = {}) => {
      const startedAt = performance.now();
      const socket = await take();
      return new Promise((resolve) => {
        let text = '';
        const done = (status: number, headEnd: number) => {
          socket.setTimeout(0).off('data', read).off('close', broken).off('timeout', broken);
          const [head, rest] = [text.slice(0, headEnd), text.slice(headEnd + 4)];
          const kept = status !== 0 && !/\r\nconnection: close/i.test(head);
          if (!kept) socket.destroy();
          if (kept || waiting.length > 0) giveBack(kept ? socket : open());
          resolve({ status, ms: performance.now() - startedAt, head, body: rest });
        };
        const read = (bytes: Buffer) => {
          text += bytes.toString('latin1');
          const headEnd = text.indexOf('\r\n\r\n');
          if (headEnd < 0) return;
          const length = Number(/\r\ncontent-length: (\d+)/i.exec(text)?.[1] ?? 0);
          if (text.length >= headEnd + 4 + length) done(Number(text.slice(9, 12)), headEnd);
        };
        const broken = () => done(0, text.length);
        socket.setTimeout(answerMsMax).on('data', read).on('close', broken).on('timeout', broken);
        const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
        socket.write(
          `${method} ${path} HTTP/1.1\r\nHost: ${host}\r\nAuthorization: Bearer ${key}\r\n${lines.join('')}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${typeof body === 'string' ? body : ''}`,
        );
        if (typeof body !== 'string') socket.write(body);
      });
    },
    close: () => {
      for (const socket of all) socket.destroy();
    },
  };
}

/** Starts one after the other at this rate, whether or not the earlier ones have ended; resolves when all have. */
export async function atRate(perSecond: number, seconds: number, one: (n: number) => Promise<void>): Promise<void> {
  const running: Promise<void>[] = [];
  const startedAt = performance.now();
  const total = perSecond * seconds;
  while (running.length < total) {
    const due = Math.min(total, ((performance.now() - startedAt) * perSecond) / 1000);
    while (running.length < due) running.push(one(running.length));
    await new Promise((resume) => setTimeout(resume, 1));
  }
  await Promise.all(running);
}

export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}
