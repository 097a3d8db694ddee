/** Converts a thrown value to an Error, because JavaScript allows throwing anything. */
export const toError = (thrown: unknown): Error => (thrown instanceof Error ? thrown : new Error(String(thrown)));
