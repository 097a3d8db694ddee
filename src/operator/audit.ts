import type { FastifyBaseLogger } from 'fastify';

/** An act that must be accounted for later: who did it, with which key, from where, to what, and how it ended. */
export interface AuditedAct {
  /** The act, as a fixed word: `broadcast-pause`. */
  act: string;
  /** The caller's name, and its id, under which its records are stored. */
  caller: string;
  callerId: string;
  /** The id of the key that was used (`keyIdOf`). */
  keyId: string;
  remoteAddress: string;
  outcome: 'done' | 'refused' | 'failed';
  /** Ids, names, counts and reasons. No message text, and no number that is not masked. */
  about: Readonly<Record<string, unknown>>;
}

/** Writes the line regardless of LOG_LEVEL, because a quieter log must still be an audit trail. */
export function audit(log: FastifyBaseLogger, act: AuditedAct): void {
  log.child({ audit: true }, { level: 'info' }).info(act, 'audit');
}
