/**
 * Errors have no stack from here to the next tick. undici closes the TCP connection of each send with an error
 * that is never shown, and node reads its stack: to collect and write that down is a third of what such a call costs. Whoever
 * waits for the answer goes on after the tick.
 */
export function suppressStackTraces(): void {
  const limit = Error.stackTraceLimit;
  // Paused already: to read 0 as the limit and to bring that back would leave this process without stacks for good.
  if (limit === 0) return;
  Error.stackTraceLimit = 0;
  process.nextTick(() => {
    Error.stackTraceLimit = limit;
  });
}
