import type { FastifyReply, FastifyRequest } from 'fastify';
import { markInvited } from './unread-body.ts';

/**
 * Sends `100 Continue` to a client that asked for it. A streaming route calls this once it wants the body. HTTP/1.0 does not know
 * that status and would take it for the answer (RFC 9110, 10.1.1).
 */
export function sendContinue({ raw, request }: FastifyReply): void {
  const { expect } = request.headers;
  if (expect === undefined) return;
  markInvited(request.raw);
  if (request.raw.httpVersion === '1.1' && /^100-continue$/i.test(expect)) raw.writeContinue();
}

export const hasBody = ({ headers }: FastifyRequest): boolean =>
  headers['transfer-encoding'] !== undefined || (headers['content-length'] ?? '0') !== '0';
