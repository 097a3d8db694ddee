/** Time from the end of a message with an unknown outcome to its first lookup, ms. */
export const FIRST_LOOK_MS = 60_000;
