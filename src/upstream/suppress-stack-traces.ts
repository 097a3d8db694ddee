/**
 * Disables the stacks of errors until the next tick. undici closes the TCP connection of each send with an error that is never
 * shown, and node reads its stack: collecting and formatting it is a third of the cost of such a call. Code that awaits the
 * answer runs after the tick.
 */
export function suppressStackTraces(): void {
  const limit = Error.stackTraceLimit;
  // Already disabled. Reading 0 as the limit and restoring it would disable stacks for good.
  if (limit === 0) return;
  Error.stackTraceLimit = 0;
  process.nextTick(() => {
    Error.stackTraceLimit = limit;
  });
}
