import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';

/** As much as goes out with the head, or right behind it. */
const shortBody = 64 * 1024;

/**
 * Whether the next bytes on the connection belong to this body or to another request cannot be told, so the connection has to
 * end. Without `100 Continue` the caller need not send the body, and some clients (aiohttp) stop a long body at an early answer and
 * use the connection again.
 */
export function isLeftUnsure(request: IncomingMessage): boolean {
  if (request.complete) return false;
  const { expect, 'content-length': length } = request.headers;
  if (expect !== undefined && !isInvited(request)) return true;
  return length === undefined ? request.headers['transfer-encoding'] !== undefined : Number(length) > shortBody;
}

/** Connections whose caller still sends a body that was answered already. */
export const answered = new WeakSet<Socket>();
export const respondedEarly = (socket: Socket): boolean => answered.has(socket);
const invited = new WeakSet<IncomingMessage>();
const isInvited = (request: IncomingMessage): boolean => invited.has(request);

/** Records that `100 Continue` was sent for this request. */
export const markInvited = (request: IncomingMessage): void => void invited.add(request);
