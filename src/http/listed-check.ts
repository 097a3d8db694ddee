import type { FastifyRequest } from 'fastify';
import type { ListedConnections } from '../connections/listed-connections.ts';
import { Problem } from '../problem.ts';
import type { IsRepeat } from './earlier-request.ts';
import type { StopCheck } from './stop-check.ts';

interface Services {
  listed: ListedConnections;
  stopCheck: StopCheck;
  isRepeat: IsRepeat;
  /** When the request's time is over (`performance.now()`). */
  deadline: (request: FastifyRequest) => number;
  /** Whether the response waits for the outcome of the send. See `isUnattended`. */
  isUnattended: (request: FastifyRequest) => boolean;
}

/** `undefined`: the send may proceed. Otherwise a promise that rejects with `connection-unusable` if it may not. */
export type ListedCheck = (request: FastifyRequest, connection: string) => Promise<void> | undefined;

/**
 * Refuses sends over a connection that is not in Maton's list: the name may be invented, and each message would be recorded,
 * queued, and refused in the end. If the list cannot be read, a send whose client waits proceeds, because it may succeed. A
 * send without a waiting client is refused if the last list lacks its connection, or if Maton refuses the key, because it would
 * stay queued under a name that may not exist.
 */
export function createListedCheck({ listed, stopCheck, isRepeat, deadline, isUnattended }: Services): ListedCheck {
  const look = async (request: FastifyRequest, connection: string) => {
    // Checked first: the connection may be missing because an operator stopped it.
    await stopCheck(request, connection);
    if (await isRepeat(request)) return;
    const found = await listed.check(connection, deadline(request));
    if (found.is === 'listed') return;
    if (found.is === 'unavailable' && !isUnattended(request)) return;
    if (found.is === 'unlisted' || found.missing) throw unlisted();
    if (found.error instanceof Problem && found.error.slug === 'upstream-unauthorized') throw found.error;
  };
  return (request, connection) => (listed.knows(connection) ? undefined : look(request, connection));
}

const unlisted = () =>
  new Problem('connection-unusable', 'Maton lists no such connection; nothing was recorded, and nothing was sent', {
    outcome: 'rejected',
  });

/** Characters that `Maton-Connection` may contain: the value becomes a header of upstream calls. */
export const isConnectionName = (value: unknown): value is string =>
  typeof value === 'string' && /^[!-~]{1,512}$/.test(value);
