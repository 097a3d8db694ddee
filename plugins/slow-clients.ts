import type { Socket } from 'node:net';
import fp from 'fastify-plugin';

interface SlowReaderOptions {
  /** How long a client may be below the minimum rate. */
  graceMs?: number;
  bytesPerSecondMin?: number;
  checkEveryMs?: number;
}

/**
 * Disconnects clients that read their response too slowly, because Node would buffer it without limit. Counts only while bytes
 * are pending: an event stream without events is not slow.
 */
export const slowClients = fp<SlowReaderOptions>(
  async (app, { graceMs = 20_000, bytesPerSecondMin = 16_384, checkEveryMs = 1_000 }) => {
    const open = new Set<Socket>();
    const waiting = new Map<Socket, { since: number; taken: number }>();
    app.server.on('connection', (socket) => {
      open.add(socket);
      socket.once('close', () => {
        open.delete(socket);
        waiting.delete(socket);
      });
    });

    const look = (socket: Socket, now: number) => {
      const { writableLength } = socket;
      if (writableLength === 0) {
        waiting.delete(socket);
        return;
      }
      const taken = socket.bytesWritten - writableLength;
      const before = waiting.get(socket);
      if (before && taken - before.taken < (bytesPerSecondMin * (now - before.since)) / 1000) {
        // A reset, because otherwise the kernel would continue to send what it has buffered.
        if (now - before.since >= graceMs) socket.resetAndDestroy();
        return;
      }
      waiting.set(socket, { since: now, taken });
    };
    const timer = setInterval(() => {
      const now = performance.now();
      for (const socket of open) look(socket, now);
    }, checkEveryMs).unref();
    app.addHook('onClose', async () => clearInterval(timer));
  },
  { name: 'slow-clients' },
);
