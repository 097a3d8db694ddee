import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import fp from 'fastify-plugin';
import { Problem } from '../src/problem.ts';

interface DrainOptions {
  /** How long the listener stays open after `close()`. */
  delayMs: number;
  /** All must have ended by then, counted from `close()`. */
  timeoutMs: number;
  /** Called when the instance should get no new clients. */
  onDrain(): void;
  /** Time is nearly up: ends what hangs, and records what is known of it. */
  cutOff(): void;
}

/** Part of the time-out that is reserved for recording and answering aborted requests. */
const lastWordsMsMax = 2_000;
const sweepEveryMs = 100;

/**
 * How an instance shuts down. `close()` tells load balancers at once, and goes on serving for `delayMs`, because they take a
 * while to notice; each response then ends its connection. After that no new connection is accepted, and requests under way go
 * on to their end. Those that do not end are cut off shortly before the time-out.
 *
 * Register before anything with an onClose hook that waits: these run in reverse, and the cut must come while they wait.
 */
export const drain = fp<DrainOptions>(
  async (app, { delayMs, timeoutMs, onDrain, cutOff }) => {
    let draining = false;
    let isOver = false;
    const timers: NodeJS.Timeout[] = [];
    const { server } = app;

    const sockets = new Set<Socket>();
    server.on('connection', (socket: Socket) => {
      sockets.add(socket);
      socket.once('close', () => sockets.delete(socket));
    });

    app.addHook('onRequest', (_request, _reply, done) => {
      // The store and the upstream clients are about to close.
      if (isOver) done(new Problem('shutting-down', 'this instance is about to end', { retryAfterS: 1 }));
      else done();
    });
    // Fastify adds this header to requests that come in while it closes; those that came in before need it as well.
    app.addHook('onSend', async (_request, reply) => {
      if (draining) reply.header('connection', 'close');
    });

    app.addHook('preClose', async () => {
      draining = true;
      onDrain();
      const lastWordsMs = Math.min(lastWordsMsMax, (timeoutMs - delayMs) / 2);
      const end = () => {
        isOver = true;
        app.log.warn('time is nearly up: what is still under way is cut off');
        cutOff();
        timers.push(setTimeout(() => server.closeAllConnections(), lastWordsMs / 2));
      };
      timers.push(setTimeout(end, timeoutMs - lastWordsMs));
      if (server.listening) {
        app.log.info({ delayMs }, 'going down: served until the delay is over');
        await sleep(delayMs);
      }
      timers.push(setInterval(() => sweep(), sweepEveryMs));
    });
    app.addHook('onClose', async () => {
      for (const timer of timers) clearTimeout(timer);
    });

    /** Node closes idle connections once, when its server closes, and leaves those on which no byte has come in. */
    const sweep = () => {
      if (server.listening) return;
      server.closeIdleConnections();
      for (const socket of sockets) if (socket.bytesRead === 0) socket.destroy();
    };
  },
  { name: 'drain' },
);
