import htm from './htm.js';
import { h } from './preact.js';

/** Elements from a template: everything that is filled in is text. */
export const html = htm.bind(h);
