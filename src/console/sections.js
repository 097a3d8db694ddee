import { facts } from './facts.js';

/**
 * A part of the console. Its module is loaded when it is opened, and exports `Section`: a component that is given the rest of the
 * address (`#/messages/ID`), rendered under the heading `name`.
 * @typedef {{
 *   path: string,
 *   name: string,
 *   load: () => Promise<{ Section: (props: { argument: string | undefined }) => import('./preact.js').ComponentChildren }>,
 *   sandboxOnly?: boolean,
 *   hidden?: boolean,
 *   children?: readonly string[],
 * }} SectionEntry
 */

/** @type {readonly SectionEntry[]} */
const table = [
  { path: 'overview', name: 'Overview', load: () => import('./overview.js') },
  { path: 'phone', name: 'Phone', load: () => import('./phone.js'), sandboxOnly: true },
];

/** In the order of the menu; those with `hidden` are led to from another, which names them as its `children`. */
export const sections = table.filter(({ sandboxOnly }) => !sandboxOnly || facts.sandbox);
