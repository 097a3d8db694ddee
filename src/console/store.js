import { useEffect, useState } from './hooks.js';

/**
 * A value that parts of the page share, and that notifies them when it changes.
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
 * Returns the value of a store, and renders again when it changes.
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
