/** Resolves after `ms`, or as soon as `closing` aborts. */
export function sleep(ms: number, closing: AbortSignal): Promise<void> {
  return new Promise((resume) => {
    const timer = setTimeout(done, ms);
    function done() {
      clearTimeout(timer);
      closing.removeEventListener('abort', done);
      resume();
    }
    if (closing.aborted) done();
    else closing.addEventListener('abort', done);
  });
}
