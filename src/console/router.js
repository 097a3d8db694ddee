import { createStore } from './store.js';

/**
 * Where the console is: `#/messages/ID`. Ids of records may stand there, and nothing that is secret or says who a customer is.
 * @typedef {{ path: string, argument: string | undefined }} Place
 */

/** @returns {Place} */
function read() {
  const [path = '', argument] = location.hash.replace(/^#\/?/, '').split('/');
  let decoded = argument;
  try {
    decoded = argument && decodeURIComponent(argument);
  } catch {
    // An address that somebody cut off.
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
