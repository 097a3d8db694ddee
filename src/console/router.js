import { createStore } from './store.js';

/**
 * The place in the console, such as `#/messages/ID`. It may contain ids of records, but no secrets and nothing about a customer.
 * @typedef {{ path: string, argument: string | undefined }} Place
 */

/** @returns {Place} */
function read() {
  const [path = '', argument] = location.hash.replace(/^#\/?/, '').split('/');
  let decoded = argument;
  try {
    decoded = argument && decodeURIComponent(argument);
  } catch {
    // The address is truncated.
  }
  return { path: path || 'overview', argument: decoded || undefined };
}

export const place = createStore(read());

addEventListener('hashchange', () => place.set(read()));

/**
 * @param {string} path
 * @param {string} [argument]
 */
export const linkTo = (path, argument) =>
  `#/${path}${argument === undefined ? '' : `/${encodeURIComponent(argument)}`}`;

/** @param {string} path */
export function go(path) {
  location.hash = linkTo(path);
}
