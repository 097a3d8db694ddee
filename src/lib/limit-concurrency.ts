/** Lets so many run at once; the others wait in their order. */
export function limitConcurrency(max: number): <Result>(work: () => Promise<Result>) => Promise<Result> {
  const waiting: (() => void)[] = [];
  let active = 0;
  return async (work) => {
    if (active >= max) await new Promise<void>((next) => waiting.push(next));
    else active += 1;
    try {
      return await work();
    } finally {
      // Its place is handed on.
      const next = waiting.shift();
      if (next) next();
      else active -= 1;
    }
  };
}
