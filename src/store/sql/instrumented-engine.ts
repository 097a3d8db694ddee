import type { StoreOptions } from '../options.ts';
import type { Engine } from './engine.ts';

type Watch = NonNullable<StoreOptions['onQuery']>;

/** The same engine, which tells how long each use of the database took. Nobody waits longer for it. */
export function instrument(engine: Engine, watch: Watch): Engine {
  const timed = <T>(kind: Parameters<Watch>[0], begun: number, use: Promise<T>): Promise<T> => {
    const over = (failed: boolean) => watch(kind, (performance.now() - begun) / 1000, failed);
    use.then(
      () => over(false),
      () => over(true),
    );
    return use;
  };
  // `begun` comes first: SQLite reads before it returns.
  return {
    write: (steps) => timed('write', performance.now(), engine.write(steps)),
    read: (step) => timed('read', performance.now(), engine.read(step)),
    list: (step) => timed('read', performance.now(), engine.list(step)),
    reserveSlot: (intervalMs) => timed('slot', performance.now(), engine.reserveSlot(intervalMs)),
    holdSlots: (ms) => timed('slot', performance.now(), engine.holdSlots(ms)),
    takePermits: (caller, ask) => timed('permits', performance.now(), engine.takePermits(caller, ask)),
    heartbeat: () => engine.heartbeat(),
    checkpoint: () => engine.checkpoint?.(),
    scrub: (isAlone) => engine.scrub(isAlone),
    secret: engine.secret,
    hasOlderReplicas: () => engine.hasOlderReplicas(),
    holdsLease: () => engine.holdsLease(),
    epoch: () => engine.epoch(),
    close: () => engine.close(),
  };
}
