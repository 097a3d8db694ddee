/** Runs tasks at fixed intervals, and waits for those in progress when it stops. */
export class PeriodicTasks {
  readonly #onFault: (task: string, error: unknown) => void;
  readonly #timers: NodeJS.Timeout[] = [];
  readonly #busy = new Set<Promise<void>>();

  constructor(onFault: (task: string, error: unknown) => void) {
    this.#onFault = onFault;
  }

  /** A task that takes longer than its interval is not started a second time. */
  runEvery(ms: number, task: string, work: () => Promise<unknown>): void {
    let running = false;
    const timer = setInterval(() => {
      if (running) return;
      running = true;
      const run = work().then(
        () => {},
        (error) => this.#onFault(task, error),
      );
      this.track(run);
      void run.then(() => {
        running = false;
      });
    }, ms);
    this.#timers.push(timer.unref());
  }

  /** Also awaited by `stop`. */
  track(run: Promise<void>): void {
    this.#busy.add(run);
    const untrack = () => this.#busy.delete(run);
    run.then(untrack, untrack);
  }

  clear(): void {
    for (const timer of this.#timers) clearInterval(timer);
  }

  async idle(): Promise<void> {
    await Promise.all(this.#busy);
  }
}
