import { go } from './router.js';
import { isOpen } from './session.js';
import { createStore } from './store.js';

/** @import { Query } from './api.js' */

/**
 * The last search. It is kept as long as the key, and never in the address, because it may identify a customer.
 * @typedef {{ term: string, filters: Query }} Search
 */
export const search = createStore(/** @type {Search | undefined} */ (undefined));

isOpen.subscribe(() => search.set(undefined));

/** Opens the list of the matching messages. @param {Query} filters */
export function showMessages(filters) {
  search.set({ term: '', filters });
  go('find');
}
