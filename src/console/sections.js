import { facts } from './facts.js';

/**
 * A part of the console. Its module is loaded when it is opened, and exports `Section`: a component that gets the rest of the
 * address (`#/messages/ID`), and is rendered under the heading `name`.
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
  { path: 'find', name: 'Find', load: () => import('./find.js'), children: ['messages'] },
  { path: 'messages', name: 'Message', load: () => import('./message.js'), hidden: true },
  { path: 'broadcasts', name: 'Broadcasts', load: () => import('./broadcasts.js') },
  { path: 'unknown', name: 'Needs a person', load: () => import('./unknown.js') },
  { path: 'callers', name: 'Callers', load: () => import('./callers.js') },
  { path: 'templates', name: 'Templates', load: () => import('./templates.js') },
  { path: 'sending', name: 'Sending', load: () => import('./sending.js') },
  { path: 'phone', name: 'Phone', load: () => import('./phone.js'), sandboxOnly: true },
];

/** Sections in the order of the menu. A `hidden` one is opened from another section, which lists it in its `children`. */
export const sections = table.filter(({ sandboxOnly }) => !sandboxOnly || facts.sandbox);
