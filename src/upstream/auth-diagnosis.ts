import { foreignPatterns } from '../lib/patterns.ts';
import { Problem } from '../problem.ts';
import { type AuthDiagnosis, withDeadline } from './client.ts';
import { type Connections, keyRefused } from './connections.ts';

/** How old an answer of the control API may be to explain a refusal, so that a burst of refusals causes one call. */
const maxAgeMs = 1_000;

const isKnownStatus = (status: string): boolean => status === 'PENDING' || status === 'FAILED';

/**
 * A 400 and a 401 of the gateway have two meanings each. The control API, which knows the key and the connections but not WATI,
 * distinguishes them (docs/reference/upstream.md, "Statuses with two meanings").
 */
export function createAuthDiagnosis(connections: Connections): AuthDiagnosis {
  return {
    unauthorized: async (deadline) => {
      try {
        await withDeadline(connections.recent(maxAgeMs), deadline);
        return 'WATI refuses the token behind this connection (renewed, expired, or limited to other addresses); authorize the connection again';
      } catch (error) {
        if (error instanceof Problem && error.slug === 'upstream-unauthorized') return keyRefused;
        return 'the upstream refuses our credentials; whether the Maton key or the WATI token could not be told';
      }
    },
    connectionProblem: async (id, reason, deadline) => {
      try {
        const list = await withDeadline(connections.recent(maxAgeMs), deadline);
        const known = list.find((connection) => connection.id === id);
        if (!known) return 'Maton knows no such WATI connection';
        return known.status === 'ACTIVE'
          ? undefined
          : `the connection is ${isKnownStatus(known.status) ? known.status.toLowerCase() : 'in an unknown state'}, not active`;
      } catch {
        // Maton documents no error body. Real clients recognize the case by this word.
        return foreignPatterns.connection.pattern.test(reason)
          ? 'the gateway finds fault with the connection'
          : undefined;
      }
    },
  };
}
