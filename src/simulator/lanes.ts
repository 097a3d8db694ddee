/** Runs jobs concurrently, but those of one lane one after another, in order of arrival. */
export interface Lanes<Job> {
  add(lane: string, job: Job): void;
  /** Resolves when no job is in progress, or after the time-out. */
  idle(timeoutMs: number): Promise<void>;
}

export function createLanes<Job>(width: number, run: (job: Job) => Promise<void>): Lanes<Job> {
  /** Lanes with a job in progress, and their waiting jobs. */
  const taken = new Map<string, Job[]>();
  const ready: { readonly lane: string; readonly job: Job }[] = [];
  const waiters = new Set<() => void>();
  let underWay = 0;

  function pump(): void {
    while (underWay < width) {
      const next = ready.shift();
      if (!next) break;
      underWay += 1;
      const over = () => leave(next.lane);
      run(next.job).then(over, over);
    }
    if (underWay === 0) for (const over of waiters) over();
  }

  function leave(lane: string): void {
    underWay -= 1;
    const job = taken.get(lane)?.shift();
    if (job === undefined) taken.delete(lane);
    else ready.push({ lane, job });
    pump();
  }

  return {
    add(lane, job) {
      const behind = taken.get(lane);
      if (behind) {
        behind.push(job);
        return;
      }
      taken.set(lane, []);
      ready.push({ lane, job });
      pump();
    },
    async idle(timeoutMs) {
      if (underWay === 0) return;
      const over = Promise.withResolvers<void>();
      const timer = setTimeout(over.resolve, timeoutMs);
      waiters.add(over.resolve);
      await over.promise;
      clearTimeout(timer);
      waiters.delete(over.resolve);
    },
  };
}
