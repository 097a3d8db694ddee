import { html } from './html.js';
import { marked, minuteOf, plain, size } from './phone-text.js';

/** @import { Message } from './phone-api.js' */
/** @typedef {NonNullable<Message['buttons']>[number]} Button */
/** @typedef {NonNullable<Message['list']>} List */
/** @typedef {{ tap: (message: Message, label: string) => void, click: (message: Message, label: string) => void, open: (message: Message) => void, quote: (message: Message) => void }} Hands */

const states = { sent: 'Sent', delivered: 'Delivered', read: 'Read', failed: 'Not delivered' };

/** Shows one tick for sent, two for delivered, two in colour for read. @param {{ state: Message['state'] }} props */
function Ticks({ state }) {
  const words = states[state];
  if (state === 'failed') {
    return html`<svg class="phone-ticks" data-state=${state} viewBox="0 0 16 12" role="img" aria-label=${words}>
      <title>${words}</title>
      <path d="M8 1.5v5M8 9v.6" />
    </svg>`;
  }
  return html`<svg class="phone-ticks" data-state=${state} viewBox="0 0 18 12" role="img" aria-label=${words}>
    <title>${words}</title>
    <path d=${state === 'sent' ? 'm5 6.5 3 3 6-7' : 'm1.5 6.5 3 3 6-7M8.3 9.2l.3.3 6-7'} />
  </svg>`;
}

/** @type {Record<string, string>} */
const glyphs = {
  image: 'M3 4h14v12H3zM3 13l4-4 4 4 2-2 4 4M12.5 8h.01',
  video: 'M3 5h10v10H3zM13 9l4-2.5v7L13 11',
  audio: 'M8 13V5l7-1.5V12M8 13a2 2 0 1 1-4 0 2 2 0 0 1 4 0M15 12a2 2 0 1 1-4 0 2 2 0 0 1 4 0',
  document: 'M5 2.5h7l3 3v12H5zM12 2.5v3h3M8 10h4M8 13h4',
  url: 'M11 4h5v5M16 4l-7 7M8 5H4v11h11v-4',
  call: 'M5 3h3l1.5 4-2 1.5a9 9 0 0 0 4 4l1.5-2 4 1.5v3c-7 1-13-5-12-12z',
  reply: 'M8 5 3 9.5 8 14M3 9.5h8c4 0 6 2 6 5.5',
  list: 'M7 5h10M7 10h10M7 15h10M3 5h.01M3 10h.01M3 15h.01',
  other: 'M10 3v14M3 10h14',
};

/** @param {{ name: string }} props */
export const Glyph = ({ name }) => html`
  <svg class="phone-glyph" viewBox="0 0 20 20" aria-hidden="true"><path d=${glyphs[name] ?? glyphs.document} /></svg>
`;

/** @type {Record<string, string>} */
const kinds = { image: 'Photo', video: 'Video', audio: 'Audio', document: 'Document' };

/**
 * Shows a picture whose content the sandbox has. Other files are shown by kind and name: the console loads nothing from other hosts.
 * @param {{ file: NonNullable<Message['file']> }} props
 */
function File({ file: { kind, name, bytes, path } }) {
  const words = kinds[kind] ?? kind;
  if (path) {
    const alt = name === kind ? words : `${words}: ${name}`;
    return html`<img class="phone-picture" src=${`/_sandbox/pictures?path=${encodeURIComponent(path)}`} alt=${alt} />`;
  }
  const facts = [name === kind ? '' : words, bytes === undefined ? '' : size(bytes)].filter(Boolean);
  return html`
    <div class="phone-file" data-kind=${kind}>
      <${Glyph} name=${kind} />
      <span class="phone-file-name">${name === kind ? words : name}</span>
      <span class="phone-file-kind">${facts.join(' · ')}</span>
    </div>
  `;
}

/** @param {{ header: NonNullable<Message['header']> }} props */
const Header = ({ header: { text, file } }) =>
  file ? html`<${File} file=${file} />` : html`<p class="phone-bubble-header">${text}</p>`;

/** @param {{ button: Button, disabled: boolean, onTap: () => void, onClick: () => void }} props */
function BubbleButton({ button: { kind, text, url, tapped }, disabled, onTap, onClick }) {
  const words = html`<${Glyph} name=${kind} /><span>${text}</span>`;
  if (kind === 'reply') {
    return html`<button type="button" aria-pressed=${tapped === true} aria-disabled=${disabled || tapped === true} onClick=${disabled || tapped ? undefined : onTap}>${words}</button>`;
  }
  // Only links to web addresses.
  if (url && /^https?:\/\//i.test(url)) {
    return html`<a href=${url} target="_blank" rel="noreferrer" title=${url} onClick=${onClick}>${words}</a>`;
  }
  return html`<span class="phone-inert" title=${kind === 'call' ? 'Calls the company' : kind}>${words}</span>`;
}

/** @param {{ buttons: readonly Button[] | undefined, onTap: ((label: string) => void) | undefined, onClick: (label: string) => void }} props */
function Buttons({ buttons, onTap, onClick }) {
  if (!buttons || buttons.length === 0) return null;
  return html`<div class="phone-bubble-buttons">
    ${buttons.map(
      (button) =>
        html`<${BubbleButton} key=${button.text} button=${button} disabled=${!onTap} onTap=${() => onTap?.(button.text)} onClick=${() => onClick(button.text)} />`,
    )}
  </div>`;
}

/** @param {{ message: Message, onTap: ((label: string) => void) | undefined, onClick: (label: string) => void }} props */
const Cards = ({ message, onTap, onClick }) =>
  message.cards &&
  html`<ul class="phone-cards">
    ${message.cards.map(
      ({ header, text, buttons }, at) => html`<li key=${at} class="phone-card">
        ${header && html`<${Header} header=${header} />`}
        <p class="phone-bubble-text">${marked(text)}</p>
        <${Buttons} buttons=${buttons} onTap=${onTap} onClick=${onClick} />
      </li>`,
    )}
  </ul>`;

/** @param {{ message: Message, hands: Hands }} props */
export function Bubble({ message, hands }) {
  const { from, header, file, text, footer, list, quotes, failure, state, at, buttons } = message;
  /** A message that failed to arrive cannot be tapped. */
  const onTap = state === 'failed' ? undefined : (/** @type {string} */ label) => hands.tap(message, label);
  const onClick = (/** @type {string} */ label) => hands.click(message, label);
  const who = from === 'company' ? 'Company' : 'Customer';
  return html`
    <div class="phone-bubble" data-from=${from} data-state=${state}>
      <span class="hidden">${who}: </span>
      ${
        quotes &&
        html`<blockquote class="phone-quote">
          <span class="phone-quote-who">${quotes.from === 'company' ? 'Your company' : 'You'}</span>
          <span class="phone-quote-text">${plain(quotes.text)}</span>
        </blockquote>`
      }
      ${header && html`<${Header} header=${header} />`}
      ${file && html`<${File} file=${file} />`}
      ${text && html`<p class="phone-bubble-text">${marked(text)}</p>`}
      ${footer && html`<p class="phone-bubble-footer">${footer}</p>`}
      <p class="phone-bubble-time">
        ${onTap && html`<button type="button" class="phone-answer" aria-label="Answer this message" title="Answer this message" onClick=${() => hands.quote(message)}><${Glyph} name="reply" /></button>`}
        <time datetime=${at} title=${at}>${minuteOf(at)}</time> <${Ticks} state=${state} /></p>
      <${Buttons} buttons=${buttons} onTap=${onTap} onClick=${onClick} />
      ${
        list &&
        html`<div class="phone-bubble-buttons">
          <button type="button" aria-haspopup="dialog" aria-disabled=${!onTap} onClick=${() => onTap && hands.open(message)}>
            <${Glyph} name="list" /><span>${list.label}</span>
          </button>
        </div>`
      }
      <${Cards} message=${message} onTap=${onTap} onClick=${onClick} />
    </div>
    ${
      failure &&
      html`<p class="phone-bubble-failure">Not on the phone: ${failure.code} ${failure.detail.replace(/\.$/, '')}</p>`
    }
  `;
}
