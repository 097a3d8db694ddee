import htm from './htm.js';
import { h } from './preact.js';

/** Creates elements from a template. Every inserted value becomes text. */
export const html = htm.bind(h);
