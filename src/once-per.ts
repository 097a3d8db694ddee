/**
 * `make`, asked once for each object: what several readers of one answer share, the first of them works out. They all go on
 * in the turn of the event loop in which the answer came, so the last object is enough to remember, and no longer than that.
 * (A WeakMap would do the same and costs more than the work: each entry lives until the next full collection.) Whatever else
 * `make` is given must follow from the object.
 */
export function oncePer<Key extends object, Rest extends unknown[], Value>(
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

/** What is made when it is asked for first, and then kept. */
export function onceAsked<Value extends object>(make: () => Value): () => Value {
  let made: Value | undefined;
  return () => {
    made ??= make();
    return made;
  };
}
