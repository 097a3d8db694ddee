/**
 * Resolves with the promise's value, or with what `late` returns (or rejects with what it throws) after `ms`. The promise is
 * not cancelled.
 */
export async function withTimeout<Value, Late>(
  promise: Promise<Value>,
  ms: number,
  late: () => Late,
): Promise<Value | Late> {
  let timer: NodeJS.Timeout | undefined;
  const isLate = new Promise<true>((resolve) => {
    timer = setTimeout(resolve, Math.max(0, ms), true);
  });
  try {
    const first = await Promise.race([promise.then((value) => ({ value })), isLate]);
    return first === true ? late() : first.value;
  } finally {
    clearTimeout(timer);
  }
}
