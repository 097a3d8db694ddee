import { createStore } from './store.js';

/** @import { Scope } from '../callers/entry.ts' */

/**
 * Who the key belongs to, as far as the list of callers tells; over plain HTTP a browser computes no digest, and nothing is known.
 * @typedef {{ id: string, name: string, scopes: readonly (Scope | '*')[] }} Holder
 */

/** The key. It is in this variable and nowhere else: not in storage, address, cookie or document. */
let key = '';

const idleMinutes = 15;
const idleMs = idleMinutes * 60_000;
const lookMs = 10_000;

/** @type {import('./store.js').Store<boolean>} */
export const isOpen = createStore(false);
/** @type {import('./store.js').Store<Holder | undefined>} */
export const holder = createStore(/** @type {Holder | undefined} */ (undefined));
/** Why the console is locked, in a sentence for the form. */
export const lockReason = createStore('');

export const authorization = () => `Bearer ${key}`;

/** @param {string} given */
export function open(given) {
  key = given;
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
 * Whether the key has the scope; yes where that is not known, because the service says no itself.
 * @param {Scope} scope
 */
export function may(scope) {
  const scopes = holder.get()?.scopes;
  return scopes === undefined || scopes.includes('*') || scopes.includes(scope);
}

/** The first eight digits of the SHA-256 of the key, as the list of callers has them. */
export async function keyId() {
  if (!crypto.subtle) return undefined;
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(key));
  return Array.from(new Uint8Array(digest).subarray(0, 4), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

let lastActive = Date.now();
const noteUse = () => {
  lastActive = Date.now();
};

/** Forgets the key after some idle minutes, and when the page is left: a browser may keep the whole page for the way back. */
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
