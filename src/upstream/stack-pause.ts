/**
 * undici closes the connection of a send (delivery.md 1.3) with an error that nobody sees, and node reads its stack: to
 * collect and write it down is a third of what such a call costs. So errors made until the next tick have none; that is
 * undici's close alone, because what waits for the answer goes on after the tick.
 */
export function createStackPause(): () => void {
  let paused = false;
  return () => {
    if (paused) return;
    paused = true;
    const limit = Error.stackTraceLimit;
    Error.stackTraceLimit = 0;
    process.nextTick(() => {
      paused = false;
      Error.stackTraceLimit = limit;
    });
  };
}
