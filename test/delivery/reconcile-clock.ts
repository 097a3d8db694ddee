import { setImmediate } from 'node:timers/promises';

/** The time of those who look for unknown sends: it stands still while they look, and moves as far as the test lets it. */
export class LookTime {
  now = 1_000_000;
  #pending: { at: number; resume: () => void } | undefined;

  readonly clock = (): number => this.now;

  readonly wait = (ms: number, signal: AbortSignal): Promise<void> =>
    new Promise((resolve) => {
      const resume = () => {
        this.#pending = undefined;
        resolve();
      };
      this.#pending = { at: this.now + ms, resume };
      if (signal.aborted) resume();
      else signal.addEventListener('abort', resume, { once: true });
    });

  /** Lets so much time pass; `until`: or until that holds, asked after each look. */
  async run(ms: number, until: () => Promise<boolean> = async () => false): Promise<void> {
    const end = this.now + ms;
    for (;;) {
      while (!this.#pending) await setImmediate();
      if (await until()) return;
      const pending = this.#pending;
      if (!pending) continue;
      if (pending.at > end) break;
      this.now = pending.at;
      pending.resume();
    }
    this.now = end;
  }
}
