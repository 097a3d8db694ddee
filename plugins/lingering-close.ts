import type { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import type { onSendHookHandler } from 'fastify';
import fp from 'fastify-plugin';
import { isConnectionRejected, rejectFollowing } from '../src/http/request-smuggling.ts';
import { isLeftUnsure, markRespondedEarly, unmarkRespondedEarly } from '../src/http/unread-body.ts';

interface LingerOptions {
  /** How long a client may send nothing, ms. */
  silentMs?: number;
  /** How long its bytes are read at most, ms. */
  timeoutMs?: number;
  /** How many bytes are discarded at most. */
  bytesMax?: number;
  checkEveryMs?: number;
}

/** As long as the longest upload with its form. */
const longestBody = 128 * 1024 * 1024;

interface Lingering {
  readonly since: number;
  readonly firstByte: number;
  heardAt: number;
  bytesRead: number;
}

/**
 * Some clients read an early response only after they have sent their whole body. Closing a socket with unread bytes resets the
 * connection, and the reset discards the response before it is read. So the rest of the body is read and discarded first (RFC
 * 9112, 9.6), with limits of time, silence and bytes. If the connection is to be closed, our half of it is closed at once.
 */
export const lingeringClose = fp<LingerOptions>(
  async (app, { silentMs = 5_000, timeoutMs = 30_000, bytesMax = longestBody, checkEveryMs = 500 }) => {
    const open = new Map<Socket, Lingering>();
    /** Sockets that are armed, each with its last request. */
    const armed = new WeakMap<Socket, { request?: IncomingMessage }>();
    let closing = false;

    const linger = (socket: Socket) => {
      if (open.has(socket)) return;
      const now = performance.now();
      const { bytesRead } = socket;
      open.set(socket, { since: now, firstByte: bytesRead, heardAt: now, bytesRead });
      markRespondedEarly(socket);
    };

    const look = (socket: Socket, state: Lingering, now: number) => {
      noteBytes(socket, state, now);
      const silent = now - state.heardAt >= (closing ? checkEveryMs : silentMs);
      if (silent || now - state.since >= timeoutMs || state.bytesRead - state.firstByte >= bytesMax) socket.destroy();
    };
    const timer = setInterval(() => {
      const now = performance.now();
      for (const [socket, state] of open) look(socket, state, now);
    }, checkEveryMs).unref();

    const arm = (socket: Socket): { request?: IncomingMessage } => {
      const known = armed.get(socket);
      if (known) return known;
      const state: { request?: IncomingMessage } = {};
      armed.set(socket, state);
      socket.once('close', () => open.delete(socket));
      // Not `socket.destroySoon`, which another instance may have replaced: the sandbox hands a connection to another service
      // after a reset.
      const destroySoon = () => Socket.prototype.destroySoon.call(socket);
      // Node calls this to close a connection after its last response, as soon as that is written.
      socket.destroySoon = () => {
        const { request } = state;
        const isOver = request !== undefined && isRead(request) && !isConnectionRejected(socket);
        rejectFollowing(socket);
        if (socket.destroyed || isOver) return destroySoon();
        socket.end();
        linger(socket);
        if (request) throwAway(request, destroySoon);
      };
      return state;
    };
    // Before the handler: only the last request of a connection may be incomplete. A connection that the sandbox's listener
    // accepted emits no `connection` event here, so it is first seen with its request.
    const take = (request: IncomingMessage) => {
      arm(request.socket).request = request;
    };
    for (const event of ['request', 'checkContinue', 'checkExpectation'] as const) {
      app.server.prependListener(event, take);
    }
    app.server.on('connection', arm);
    app.server.prependListener('clientError', (_error, socket) => {
      if (socket instanceof Socket) arm(socket);
    });

    app.addHook('onSend', closeIfUnsure);
    app.addHook('onResponse', ({ raw }, _reply, done) => {
      if (!raw.complete && !raw.destroyed && !open.has(raw.socket)) {
        linger(raw.socket);
        throwAway(raw, () => {
          open.delete(raw.socket);
          unmarkRespondedEarly(raw.socket);
        });
      }
      done();
    });
    app.addHook('preClose', async () => {
      closing = true;
    });
    app.addHook('onClose', async () => clearInterval(timer));
  },
  { name: 'lingering-close' },
);

const closeIfUnsure: onSendHookHandler = (...[{ raw }, reply, , done]) => {
  if (reply.statusCode < 400) return done();
  if (isLeftUnsure(raw)) reply.header('connection', 'close');
  // Deferred, so that a fault in the rest of the packet, such as a malformed chunk, is answered instead of this one.
  Promise.resolve()
    .then(() => done())
    .catch(done);
};

function noteBytes({ bytesRead }: Socket, state: Lingering, now: number): void {
  if (bytesRead === state.bytesRead) return;
  state.bytesRead = bytesRead;
  state.heardAt = now;
}

/** Node's parser drops the bytes that follow a request with `Upgrade` in the same packet, so its end is unknown. */
const isRead = ({ complete, headers }: IncomingMessage) => complete && headers.upgrade === undefined;

function throwAway(request: IncomingMessage, onEnd: () => void): void {
  if (request.complete) return;
  request.once('end', onEnd);
  request.unpipe();
  request.resume();
}
