import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';

/** Clients send a body of this size together with the head, or right after it. */
const shortBody = 64 * 1024;

/**
 * Whether it is uncertain if the next bytes on the connection are the rest of this body or another request; the connection then
 * has to end. A client that was sent no `100 Continue` may leave its body out, and some clients (aiohttp) stop sending a long body
 * when they are answered early, and use the connection again.
 */
export function isLeftUnsure(request: IncomingMessage): boolean {
  if (request.complete) return false;
  const { expect, 'content-length': length } = request.headers;
  if (expect !== undefined && !isInvited(request)) return true;
  return length === undefined ? request.headers['transfer-encoding'] !== undefined : Number(length) > shortBody;
}

/** Connections on which a request was answered before all of its body had come in. */
const answeredEarly = new WeakSet<Socket>();
export const respondedEarly = (socket: Socket): boolean => answeredEarly.has(socket);
export const markRespondedEarly = (socket: Socket): void => void answeredEarly.add(socket);
/** The rest of the body has come in. */
export const unmarkRespondedEarly = (socket: Socket): void => void answeredEarly.delete(socket);

const invited = new WeakSet<IncomingMessage>();
const isInvited = (request: IncomingMessage): boolean => invited.has(request);

/** Records that `100 Continue` was sent for this request. */
export const markInvited = (request: IncomingMessage): void => void invited.add(request);
