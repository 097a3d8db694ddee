import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** Requests that may wait on one connection. Clients that pipeline send only a few ahead. */
const waitingMax = 16;

interface Line {
  /** The response in progress. */
  current: ServerResponse;
  readonly waiting: { request: IncomingMessage; response: ServerResponse }[];
}

/**
 * Hands the requests of a connection to the service one at a time, each after the response to the previous one is sent.
 * Otherwise Node's parser would deliver all requests of a packet at once, perhaps two thousand, and all would be answered in
 * the same turn of the event loop. A connection with more than a handful of waiting requests is closed, which also frees their
 * memory. A request on an idle connection costs one map lookup.
 */
export function oneAtATime(handler: RequestListener, onFlood: () => void = () => {}): RequestListener {
  const lines = new WeakMap<Socket, Line>();

  const handOnNext = (socket: Socket, line: Line) => {
    // The response closed the connection: requests that were sent after it are neither processed nor answered.
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
      // Further requests in a packet whose connection is closed by now.
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
