import { createStore } from './store.js';

/** @import { Scope } from '../callers/entry.ts' */

/**
 * The holder of the key, as far as it is known.
 * @typedef {{ id: string, name: string, scopes: readonly (Scope | '*')[] }} Holder
 */

/** The key. It is kept only in this variable: not in storage, the address, a cookie or the document. */
let key = '';

const idleMinutes = 15;
const idleMs = idleMinutes * 60_000;
const lookMs = 10_000;

/** @type {import('./store.js').Store<boolean>} */
export const isOpen = createStore(false);
/** @type {import('./store.js').Store<Holder | undefined>} */
export const holder = createStore(/** @type {Holder | undefined} */ (undefined));
/** The reason why the console is locked, as a sentence for the form. */
export const lockReason = createStore('');

export const authorization = () => `Bearer ${key}`;

/**
 * @param {string} given
 * @param {Holder | undefined} who
 */
export function open(given, who) {
  key = given;
  holder.set(who);
  lastActive = Date.now();
  lockReason.set('');
  isOpen.set(true);
}

/** @param {string} [reason] */
export function lock(reason = '') {
  key = '';
  holder.set(undefined);
  lockReason.set(reason);
  isOpen.set(false);
}

/**
 * Returns whether the key has the scope. True if the scopes are unknown, because the service refuses calls itself.
 * @param {Scope} scope
 */
export function may(scope) {
  const scopes = holder.get()?.scopes;
  return scopes === undefined || scopes.includes('*') || scopes.includes(scope);
}

let lastActive = Date.now();
const noteUse = () => {
  lastActive = Date.now();
};

/** Discards the key after some idle minutes, and when the page is left: browsers may keep the page in memory for going back. */
export function watchIdle() {
  for (const event of ['pointerdown', 'keydown', 'wheel', 'touchstart']) {
    addEventListener(event, noteUse, { passive: true, capture: true });
  }
  const look = () => {
    if (isOpen.get() && Date.now() - lastActive > idleMs) {
      lock(`Locked after ${idleMinutes} minutes without use.`);
    }
  };
  setInterval(look, lookMs);
  document.addEventListener('visibilitychange', look);
  addEventListener('pagehide', () => lock());
}
