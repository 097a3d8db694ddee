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
  /** Whether it is answered before anything of it is sent. */
  isUnattended: (request: FastifyRequest) => boolean;
}

/** `undefined`: it may go on. Otherwise it is being found out; rejects with `connection-unusable`. */
export type ListedCheck = (request: FastifyRequest, connection: string) => Promise<void> | undefined;

/**
 * Refuses sends over a connection that Maton does not list: its name may be invented, and each would be recorded, queued and
 * refused in the end. If the list cannot be read, a send with a waiting client goes out, because it may work. A detached one is
 * refused if the last list lacks its connection, or if Maton refuses the key: it would stay queued under a name that may not exist.
 */
export function createListedCheck({ listed, stopCheck, isRepeat, deadline, isUnattended }: Services): ListedCheck {
  const look = async (request: FastifyRequest, connection: string) => {
    // An operator's word comes first: it may be that very connection that is stopped.
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

/** What `Maton-Connection` may hold: it becomes a header of calls upstream. */
export const isConnectionName = (value: unknown): value is string =>
  typeof value === 'string' && /^[!-~]{1,512}$/.test(value);
