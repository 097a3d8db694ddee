/**
 * Resolves with the promise's value, or with what `late` returns (or rejects with what it throws) after `ms`. The promise is
 * not cancelled.
 */
export function withTimeout<Value, Late>(promise: Promise<Value>, ms: number, late: () => Late): Promise<Value | Late> {
  // A single promise instead of Promise.race, because every send uses this.
  return new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => {
        try {
          resolve(late());
        } catch (error) {
          reject(error);
        }
      },
      Math.max(0, ms),
    );
    promise.then(
      (value) => {
        clearTimeout(timer);
        resolve(value);
      },
      (error) => {
        clearTimeout(timer);
        reject(error);
      },
    );
  });
}
