import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import fp from 'fastify-plugin';
import { Problem } from '../src/problem.ts';

interface DrainOptions {
  /** How long the listener stays open after `close()`. */
  delayMs: number;
  /** Everything must have ended by then, counted from `close()`. */
  timeoutMs: number;
  /** Called when load balancers should send no new clients. */
  onDrain(): void;
  /** Called shortly before the time-out: aborts what is still in progress and records what is known of it. */
  cutOff(): void;
}

/** The part of the time-out that is reserved for recording and answering aborted requests. */
const lastWordsMsMax = 2_000;
const sweepEveryMs = 100;

/**
 * Shuts the instance down. `close()` reports `draining` to load balancers at once and continues to serve for `delayMs`, because
 * they take a while to notice; each response then closes its connection. After that no new connection is accepted, and requests
 * in progress continue to their end. Those that do not end are aborted shortly before the time-out. Register before anything
 * with an onClose hook that waits: these run in reverse order, and the abort must happen while they wait.
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
    // Fastify adds this header to requests that arrive while it closes; requests in progress need it as well.
    app.addHook('onSend', (...[, reply, , done]) => {
      if (draining) reply.header('connection', 'close');
      done();
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

    /** Node closes idle connections once, when its server closes, and leaves those that never sent a byte. */
    const sweep = () => {
      if (server.listening) return;
      server.closeIdleConnections();
      for (const socket of sockets) if (socket.bytesRead === 0) socket.destroy();
    };
  },
  { name: 'drain' },
);
