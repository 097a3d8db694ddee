import { useEffect, useState } from './hooks.js';

/**
 * A value that parts of the page share, and that tells them when it is another.
 * @template Value
 * @typedef {{ get: () => Value, set: (next: Value) => void, subscribe: (tell: () => void) => () => void }} Store
 */

/**
 * @template Value
 * @param {Value} first
 * @returns {Store<Value>}
 */
export function createStore(first) {
  let value = first;
  /** @type {Set<() => void>} */
  const listeners = new Set();
  return {
    get: () => value,
    set(next) {
      if (Object.is(next, value)) return;
      value = next;
      for (const tell of listeners) tell();
    },
    subscribe(tell) {
      listeners.add(tell);
      return () => void listeners.delete(tell);
    },
  };
}

/**
 * The value of a store, and a new render when it is another.
 * @template Value
 * @param {Store<Value>} store
 * @returns {Value}
 */
export function useStore(store) {
  const [, render] = useState({});
  useEffect(() => {
    render({});
    return store.subscribe(() => render({}));
  }, [store]);
  return store.get();
}
