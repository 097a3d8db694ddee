import { randomUUID } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { Problem } from '../problem.ts';
import type { ProblemBase } from './problem-base.ts';
import { isConnectionRejected, rejectFollowing, secureHeaders } from './request-smuggling.ts';
import { problemDocument } from './send-problem.ts';
import { respondedEarly } from './unread-body.ts';

/**
 * Answers requests that Node's HTTP parser rejects. They never reach Fastify, so this writes the 400 and its problem document
 * to the socket, and closes the connection. Without `problemBase` (the webhook listener) the body is empty, so that it does not
 * reveal which service listens.
 */
export const clientErrorHandler = (problemBase?: ProblemBase) => (error: NodeJS.ErrnoException, socket: Socket) => {
  // The connection's last response is being sent and closes it.
  if (isConnectionRejected(socket)) return;
  const pending = pendingOf(socket);
  // The request was answered before its body had arrived. The client would read a 400 as part of that answer, or as the answer
  // to its next request.
  const isAnswered = respondedEarly(socket) || (pending?.headersSent && !pending.req.complete);
  if (error.code === 'ECONNRESET' || !socket.writable || isAnswered) {
    socket.destroy();
    return;
  }
  rejectFollowing(socket);
  if (pending?.req.complete) {
    // The request is complete and being processed. A 400 would claim that nothing was sent.
    endWith(pending, socket);
    return;
  }
  // Without a pending response the head of the request was not parsed, so its Host is not known.
  const body = problemBase === undefined ? '' : documentOf(error, problemBase(pending?.req));
  const headers = {
    ...secureHeaders,
    connection: 'close',
    ...(body !== '' && { 'content-type': 'application/problem+json' }),
    'content-length': Buffer.byteLength(body),
  };
  const head = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  // A HEAD response has no body: the client would read one as the start of the next response.
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

/** The response that this connection waits for. Node's own handler of `clientError` uses the same property. */
const pendingOf = (socket: Socket & { _httpMessage?: ServerResponse | null }) => socket._httpMessage;

/** Closes the connection after the pending response. */
function endWith(answer: ServerResponse, socket: Socket): void {
  // Adds `Connection: close` if the head has not gone out yet.
  answer.shouldKeepAlive = false;
  answer.once('finish', () => socket.destroySoon());
}
