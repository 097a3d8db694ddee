/** Counts for metrics and lists go no further than this, because counting a million takes long and the exact number is not needed. */
export const COUNTED_MAX = 10_000;
