import type { FastifyBaseLogger } from 'fastify';

/** What has to be accounted for later: who did it, with which key, from where, to what, and how it ended. */
export interface AuditedAct {
  /** What was done, as one word of ours: `broadcast-pause`. */
  act: string;
  /** The caller's name, and the id that its records belong to. */
  caller: string;
  callerId: string;
  /** Which of its keys: `keyIdOf`. */
  keyId: string;
  remoteAddress: string;
  outcome: 'done' | 'refused' | 'failed';
  /** Ids, names, counts and reasons; no text of a message and no number that is not masked. */
  about: Readonly<Record<string, unknown>>;
}

/** Writes the line whatever LOG_LEVEL says: to make the log quieter must not silence it. */
export function audit(log: FastifyBaseLogger, act: AuditedAct): void {
  log.child({ audit: true }, { level: 'info' }).info(act, 'audit');
}
