export const MINUTE_MS = 60_000;
/** Time from the end of a message with an unknown outcome to its first lookup. */
export const FIRST_LOOK_MS = MINUTE_MS;
