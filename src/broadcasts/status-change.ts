import { Problem } from '../problem.ts';
import type { BroadcastStatus, StatusChange } from '../store/broadcast-store.ts';

/** Throws the Problem of a change that was not made, by the status that the broadcast has now. */
export function assertChanged(status: BroadcastStatus, to: StatusChange['to']): void {
  // Before its time, one that goes on is scheduled again.
  if (status === to || (to === 'running' && status === 'scheduled')) return;
  throw new Problem('broadcast-over', notChangeable(status));
}

const notChangeable = (status: BroadcastStatus): string =>
  status === 'recording'
    ? 'the broadcast is still recording, and nothing was sent; to stop it, end the request that sends its file'
    : `the broadcast is ${status}; it cannot be changed any more`;
