import type { FastifyRequest } from 'fastify';
import { callerOf } from '../src/http/authenticate.ts';
import { audit } from '../src/operator/audit.ts';
import { Problem } from '../src/problem.ts';

/** Facts that are logged with an operator's act; `work` may add its results. */
export type About = Record<string, unknown>;

/** Does the work and writes its audit line, also if it fails. */
export async function audited<Result>(
  request: FastifyRequest,
  { act, about }: { act: string; about: About },
  work: () => Promise<Result>,
): Promise<Result> {
  const { name: caller, id: callerId, keyId } = callerOf(request);
  const who = { caller, callerId, keyId, remoteAddress: request.ip };
  try {
    const result = await work();
    audit(request.log, { act, ...who, outcome: 'done', about });
    return result;
  } catch (error) {
    const isRefused = error instanceof Problem && error.status < 500;
    audit(request.log, { act, ...who, outcome: isRefused ? 'refused' : 'failed', about });
    throw error;
  }
}
