/*
 * V8 collects garbage when its heap has grown. Where that is too late, these do it. They do nothing unless Node runs with
 * --expose-gc, as in the image and by `npm start`.
 */

/**
 * Frees what was not in use for long, in about a millisecond. A chunk of a stream is 64 KB outside of the heap and a few hundred bytes
 * in it: V8 does not collect young objects for that, and marks the whole heap again and again instead.
 */
export function collectYoungGarbage(): void {
  globalThis.gc?.({ type: 'minor' });
}

/** Frees all garbage and gives the memory back to the system, in about 50 ms: once, before the service listens. */
export function collectAllGarbage(): void {
  globalThis.gc?.({ type: 'major', flavor: 'last-resort' });
}
