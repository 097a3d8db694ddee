/**
 * Memoizes `make` for the most recent object. Readers that share an answer run in the same turn of the event loop, so a single
 * entry, cleared after the turn, is enough; a WeakMap would keep entries until the next full collection. Further arguments of
 * `make` must depend on the object alone.
 */
export function memoizeLast<Key extends object, Rest extends unknown[], Value>(
  make: (key: Key, ...rest: Rest) => Value,
): (key: Key, ...rest: Rest) => Value {
  let last: { key: Key; value: Value } | undefined;
  const forget = () => {
    last = undefined;
  };
  return (key, ...rest) => {
    if (last?.key === key) return last.value;
    if (!last) setImmediate(forget);
    last = { key, value: make(key, ...rest) };
    return last.value;
  };
}

/** Computes a value on first use, and keeps it. */
export function lazy<Value extends object>(make: () => Value): () => Value {
  let made: Value | undefined;
  return () => {
    made ??= make();
    return made;
  };
}
