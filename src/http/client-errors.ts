import { randomUUID } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { Problem } from '../problem.ts';
import type { ProblemBase } from './problem-base.ts';
import { isConnectionRejected, rejectFollowing, secureHeaders } from './request-smuggling.ts';
import { problemDocument } from './send-problem.ts';
import { respondedEarly } from './unread-body.ts';

/**
 * Requests that Node's parser rejects never reach a route: responds with the same problem shape, written by hand, and closes the connection. Without
 * a base there is no problem document: nothing but the status is told.
 */
export const clientErrorHandler = (problemBase?: ProblemBase) => (error: NodeJS.ErrnoException, socket: Socket) => {
  // Its one answer is on its way, and ends the connection.
  if (isConnectionRejected(socket)) return;
  const pending = pendingOf(socket);
  // A 400 behind the bytes of an answer that came early would be read as a part of it, or as the next one.
  const answered = respondedEarly(socket) || (pending?.headersSent && !pending.req.complete);
  if (error.code === 'ECONNRESET' || !socket.writable || answered) {
    socket.destroy();
    return;
  }
  rejectFollowing(socket);
  if (pending?.req.complete) {
    // The request is complete and being processed: a 400 would claim that nothing was sent.
    endWith(pending, socket);
    return;
  }
  // The base is known where the head of the request was read.
  const body = problemBase === undefined ? '' : documentOf(error, problemBase(pending?.req));
  const headers = {
    ...secureHeaders,
    connection: 'close',
    ...(body !== '' && { 'content-type': 'application/problem+json' }),
    'content-length': Buffer.byteLength(body),
  };
  const head = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.write(`HTTP/1.1 400 Bad Request\r\n${head.join('')}\r\n${body}`);
  socket.destroySoon();
};

function documentOf(error: NodeJS.ErrnoException, base: string): string {
  const slow = error.code === 'ERR_HTTP_REQUEST_TIMEOUT';
  const detail = slow ? 'the request did not arrive in time' : 'the request is not well-formed HTTP';
  const about = { instance: '/', requestId: randomUUID(), base };
  return JSON.stringify(problemDocument(new Problem('malformed-request', detail), about));
}

/** The answer that this connection waits for, where Node's own handler of such errors looks for it. */
const pendingOf = (socket: Socket & { _httpMessage?: ServerResponse | null }) => socket._httpMessage;

/** The answer goes out as it will, and the connection ends behind it. */
function endWith(answer: ServerResponse, socket: Socket): void {
  // Where its head has not gone out yet, it says so.
  answer.shouldKeepAlive = false;
  answer.once('finish', () => socket.destroySoon());
}
