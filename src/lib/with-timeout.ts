/** What the promise resolves with, or what `late` returns or throws if that takes longer than `ms`. The promise goes on. */
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
