import { html } from './html.js';

const day = new Intl.DateTimeFormat('en-GB', { weekday: 'long' });
const date = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'long', year: 'numeric' });
const minute = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit' });
const shortDate = new Intl.DateTimeFormat('en-GB', { weekday: 'short', day: 'numeric', month: 'short' });
const dayMs = 86_400_000;

/** @param {string | number} at */
export const minuteOf = (at) => minute.format(new Date(at));

/** @param {string | number} at */
const midnight = (at) => new Date(at).setHours(0, 0, 0, 0);

/**
 * Returns the name of a day as a chat shows it.
 * @param {string} at
 * @param {number} now
 */
export function dayOf(at, now) {
  const ago = Math.round((midnight(now) - midnight(at)) / dayMs);
  if (ago === 0) return 'Today';
  if (ago === 1) return 'Yesterday';
  if (ago === -1) return 'Tomorrow';
  return ago > 1 && ago < 7 ? day.format(new Date(at)) : date.format(new Date(at));
}

/** Matches code, then addresses, then bold, italic and struck text, as WhatsApp marks them. */
const marks =
  /```([^`]+)```|`([^`\n]+)`|(https?:\/\/[^\s<>"]+[^\s<>".,!?;:)])|(?<![\p{L}\p{N}])([*_~])(?=\S)([^\n]*?\S)\4(?![\p{L}\p{N}])/gu;

/** @type {Record<string, 'strong' | 'em' | 's'>} */
const tags = { '*': 'strong', _: 'em', '~': 's' };

/**
 * Renders a text with its marks as elements.
 * @param {string} text
 * @returns {import('./preact.js').ComponentChildren}
 */
export function marked(text) {
  const parts = [];
  let from = 0;
  for (const match of text.matchAll(marks)) {
    const [whole, block, code, url, mark = '', words = ''] = match;
    parts.push(text.slice(from, match.index));
    const tag = tags[mark];
    if (block ?? code) parts.push(html`<code>${block ?? code}</code>`);
    else if (url) parts.push(html`<a href=${url} target="_blank" rel="noreferrer">${url}</a>`);
    else if (tag) parts.push(html`<${tag}>${marked(words)}</${tag}>`);
    from = match.index + whole.length;
  }
  return [...parts, text.slice(from)];
}

/**
 * Returns the text without its marks, for a single line.
 * @param {string} text
 * @returns {string}
 */
export const plain = (text) => text.replace(/```|(?<![\p{L}\p{N}])[*_~`](?=\S)|(?<=\S)[*_~`](?![\p{L}\p{N}])/gu, '');

/** Formats a time of a clock that was moved. @param {number} at */
export const dayAndMinute = (at) => `${shortDate.format(at)}, ${minute.format(at)}`;

/** @param {number} bytes */
export function size(bytes) {
  if (bytes < 1_000) return `${bytes} bytes`;
  return bytes < 1_000_000 ? `${Math.round(bytes / 1_000)} kB` : `${(bytes / 1_000_000).toFixed(1)} MB`;
}
