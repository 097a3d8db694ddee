import { randomUUID } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { Problem } from '../problem.ts';
import type { ProblemBase } from './problem-base.ts';
import { isConnectionRejected, rejectFollowing, secureHeaders } from './request-smuggling.ts';
import { problemDocument } from './send-problem.ts';
import { respondedEarly } from './unread-body.ts';

/**
 * Requests that Node's parser rejects never reach a route: writes a 400 with a problem document by hand, and closes the
 * connection. Without `problemBase` the body is empty: the intake's listener must not reveal what it is.
 */
export const clientErrorHandler = (problemBase?: ProblemBase) => (error: NodeJS.ErrnoException, socket: Socket) => {
  // The last response is on its way, and ends the connection.
  if (isConnectionRejected(socket)) return;
  const pending = pendingOf(socket);
  // A 400 after an early response would be read as a part of it, or as the response to the next request.
  const isAnswered = respondedEarly(socket) || (pending?.headersSent && !pending.req.complete);
  if (error.code === 'ECONNRESET' || !socket.writable || isAnswered) {
    socket.destroy();
    return;
  }
  rejectFollowing(socket);
  if (pending?.req.complete) {
    // The request is complete and being processed: a 400 would claim that nothing was sent.
    endWith(pending, socket);
    return;
  }
  // Without a pending response the head of the request was not read, and its Host is not known.
  const body = problemBase === undefined ? '' : documentOf(error, problemBase(pending?.req));
  const headers = {
    ...secureHeaders,
    connection: 'close',
    ...(body !== '' && { 'content-type': 'application/problem+json' }),
    'content-length': Buffer.byteLength(body),
  };
  const head = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  // A client reads whatever follows the head of a HEAD response as the next response.
  const sent = pending?.req.method === 'HEAD' ? '' : body;
  socket.write(`HTTP/1.1 400 Bad Request\r\n${head.join('')}\r\n${sent}`);
  socket.destroySoon();
};

function documentOf(error: NodeJS.ErrnoException, base: string): string {
  const slow = error.code === 'ERR_HTTP_REQUEST_TIMEOUT';
  const detail = slow ? 'the request did not arrive in time' : 'the request is not well-formed HTTP';
  const about = { instance: '/', requestId: randomUUID(), base };
  return JSON.stringify(problemDocument(new Problem('malformed-request', detail), about));
}

/** The response that this connection waits for; Node's own handler of `clientError` reads the same property. */
const pendingOf = (socket: Socket & { _httpMessage?: ServerResponse | null }) => socket._httpMessage;

/** Lets the response go out, and ends the connection after it. */
function endWith(answer: ServerResponse, socket: Socket): void {
  // Adds `Connection: close` if the head has not gone out yet.
  answer.shouldKeepAlive = false;
  answer.once('finish', () => socket.destroySoon());
}
