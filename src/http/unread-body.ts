import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';

/** Clients send a body up to this size together with the head, or right after it. */
const shortBody = 64 * 1024;

/**
 * Whether the next bytes on the connection may be either the rest of this body or a new request. The connection must then be
 * closed after the response. This is so after `Expect: 100-continue` without a `100 Continue`, because the client may leave the
 * body out; and for a long body that is answered early, because some clients (aiohttp) then stop sending it and reuse the
 * connection.
 */
export function isLeftUnsure(request: IncomingMessage): boolean {
  if (request.complete) return false;
  const { expect, 'content-length': length } = request.headers;
  if (expect !== undefined && !isInvited(request)) return true;
  return length === undefined ? request.headers['transfer-encoding'] !== undefined : Number(length) > shortBody;
}

/** Connections with a request that was answered before all of its body had arrived. */
const answeredEarly = new WeakSet<Socket>();
export const respondedEarly = (socket: Socket): boolean => answeredEarly.has(socket);
export const markRespondedEarly = (socket: Socket): void => void answeredEarly.add(socket);
/** All of the body has arrived. */
export const unmarkRespondedEarly = (socket: Socket): void => void answeredEarly.delete(socket);

const invited = new WeakSet<IncomingMessage>();
const isInvited = (request: IncomingMessage): boolean => invited.has(request);

/** Records that `100 Continue` was sent for this request. */
export const markInvited = (request: IncomingMessage): void => void invited.add(request);
