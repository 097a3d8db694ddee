import type { FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import { mayUse } from '../src/callers.ts';
import type { ListedConnections } from '../src/connections/listed-connections.ts';
import { Problem } from '../src/problem.ts';
import { callerOf } from './auth.ts';
import type { IsRepeat } from './earlier-request.ts';
import type { StopCheck } from './sending-stop.ts';

interface Services {
  listed: ListedConnections;
  stopCheck: StopCheck;
  isRepeat: IsRepeat;
  /** When the request's time is over (`performance.now()`). */
  untilMs: (request: FastifyRequest) => number;
  /** Whether it is answered before anything of it is sent. */
  isUnattended: (request: FastifyRequest) => boolean;
}

/** `undefined`: it may go on. Otherwise it is being found out; rejects with `connection-unusable`. */
export type ListedCheck = (request: FastifyRequest, connection: string) => Promise<void> | undefined;

/**
 * What is sent over a connection that Maton does not list would be recorded, wait, and be refused; the name may be invented. Where
 * the list cannot be had a send goes out, because it may work. One that is not waited for is refused then where the last list does
 * not name its connection, or Maton refuses the key: it would stay in the store under a name that may exist nowhere.
 */
export function createListedCheck({ listed, stopCheck, isRepeat, untilMs, isUnattended }: Services): ListedCheck {
  const look = async (request: FastifyRequest, connection: string) => {
    // An operator's word comes first: it may be that very connection that is stopped.
    await stopCheck(request, connection);
    if (await isRepeat(request)) return;
    const found = await listed.look(connection, untilMs(request));
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

/**
 * Asked of every request that sends and names a connection, before its body is read. What else is wrong with the header is told
 * where the connection is chosen. Register after plugins/auth.ts: it asks who calls.
 */
export const refuseUnlisted = fp(async (app, { check }: { check: ListedCheck }) => {
  app.addHook('onRequest', (request, _reply, done) => {
    const { sends, connection } = request.routeOptions.config;
    const named = request.headers['maton-connection'];
    if (!sends || !connection || !isConnectionName(named) || !mayUse(callerOf(request), named)) return done();
    const asked = check(request, named);
    if (!asked) return done();
    asked.then(() => done(), done);
  });
});

/** What `Maton-Connection` may hold: it becomes a header of calls upstream. */
export const isConnectionName = (value: unknown): value is string =>
  typeof value === 'string' && /^[!-~]{1,512}$/.test(value);
