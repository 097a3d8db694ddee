import { randomUUID } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { Problem } from '../src/problem.ts';
import { isAnswered } from './lingering-close.ts';
import type { ProblemBase } from './problem-base.ts';
import { problemDocument } from './problems.ts';
import { isRefused, refuseRest, secureHeaders } from './request-guard.ts';

/**
 * What Node's parser refuses never reaches a route: the same problem shape, written by hand, and the end of the line. Without
 * a base there is no problem document: nothing but the status is told.
 */
export const refuseUnreadable = (problemBase?: ProblemBase) => (error: NodeJS.ErrnoException, socket: Socket) => {
  // Its one answer is on its way, and ends the connection.
  if (isRefused(socket)) return;
  const pending = pendingOf(socket);
  // A 400 behind the bytes of an answer that came early would be read as a part of it, or as the next one.
  const answered = isAnswered(socket) || (pending?.headersSent && !pending.req.complete);
  if (error.code === 'ECONNRESET' || !socket.writable || answered) {
    socket.destroy();
    return;
  }
  refuseRest(socket);
  if (pending?.req.complete) {
    // It came in whole and is being acted on: a 400 in its place would tell of a send that nothing happened.
    endWith(pending, socket);
    return;
  }
  // Known where the head of the request was read.
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

function documentOf(error: NodeJS.ErrnoException, base: ReturnType<ProblemBase>): string {
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
