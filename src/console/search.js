import { go } from './router.js';
import { isOpen } from './session.js';
import { createStore } from './store.js';

/** @import { Query } from './api.js' */

/**
 * What was searched for, kept while the key is; not in the address, because it may say who a customer is.
 * @typedef {{ term: string, filters: Query }} Search
 */
export const search = createStore(/** @type {Search | undefined} */ (undefined));

isOpen.subscribe(() => search.set(undefined));

/** Opens the list of the messages that fit. @param {Query} filters */
export function showMessages(filters) {
  search.set({ term: '', filters });
  go('find');
}
