import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** Requests that may wait on one connection. Clients that pipeline at all send a handful ahead. */
const waitingMax = 16;

interface Line {
  /** The answer that is being made. */
  current: ServerResponse;
  readonly waiting: { request: IncomingMessage; response: ServerResponse }[];
}

/**
 * Hands a connection's requests on one after the other: each when the answer to the one before is out. Node's parser
 * delivers all that stand in one packet at once, two thousand of them perhaps, and each would make its answer in the same
 * turn of the event loop. Where more than a handful wait the connection is cut at once, so that they are not kept either.
 *
 * A request on a connection that is idle costs a look into a map.
 */
export function oneAtATime(handler: RequestListener, onFlood: () => void = () => {}): RequestListener {
  const lines = new WeakMap<Socket, Line>();

  const handOnNext = (socket: Socket, line: Line) => {
    // The answer ended the connection: what was sent behind it gets none, and is not acted on.
    const next = socket.writable ? line.waiting.shift() : undefined;
    if (next === undefined) {
      line.waiting.length = 0;
      return;
    }
    line.current = next.response;
    if (line.waiting.length > 0) next.response.once('close', () => handOnNext(socket, line));
    handler(next.request, next.response);
  };

  return (request, response) => {
    const { socket } = request;
    const line = lines.get(socket);
    if (line === undefined) {
      lines.set(socket, { current: response, waiting: [] });
    } else if (!line.current.closed) {
      // Further requests in the packet of a connection that was closed.
      if (socket.destroyed) return;
      if (line.waiting.length >= waitingMax) {
        onFlood();
        socket.destroy();
        return;
      }
      line.waiting.push({ request, response });
      if (line.waiting.length === 1) line.current.once('close', () => handOnNext(socket, line));
      return;
    } else {
      line.current = response;
    }
    handler(request, response);
  };
}
