import type { StoreOptions } from '../options.ts';
import type { Engine, Lane } from './engine.ts';

type Watch = NonNullable<StoreOptions['onQuery']>;

/** Reports the duration of each use of the database, without delaying it. */
export function instrument(engine: Engine, watch: Watch): Engine {
  const timed = <T>(kind: Parameters<Watch>[0], begun: number, use: Promise<T>): Promise<T> => {
    use.then(
      () => watch(kind, (performance.now() - begun) / 1000, false),
      () => watch(kind, (performance.now() - begun) / 1000, true),
    );
    return use;
  };
  // The start time is an argument, evaluated before the call, because SQLite reads synchronously.
  const lane = (own: Lane): Lane => ({
    write: (steps) => timed('write', performance.now(), own.write(steps)),
    read: (step) => timed('read', performance.now(), own.read(step)),
  });
  return {
    ...lane(engine),
    webhooks: lane(engine.webhooks),
    ...(engine.marks && { marks: lane(engine.marks) }),
    list: (step) => timed('read', performance.now(), engine.list(step)),
    reservePermit: (intervalMs) => timed('slot', performance.now(), engine.reservePermit(intervalMs)),
    blockReservations: (ms) => timed('slot', performance.now(), engine.blockReservations(ms)),
    takeTokens: (caller, ask) => timed('permits', performance.now(), engine.takeTokens(caller, ask)),
    heartbeat: () => engine.heartbeat(),
    checkpoint: async () => engine.checkpoint?.(),
    scrub: (isAlone) => engine.scrub(isAlone),
    secret: engine.secret,
    hasOlderReplicas: () => engine.hasOlderReplicas(),
    onForeignEvents: (listener) => engine.onForeignEvents(listener),
    holdsLease: () => engine.holdsLease(),
    wallNow: () => engine.wallNow(),
    epoch: () => engine.epoch(),
    close: () => engine.close(),
  };
}
