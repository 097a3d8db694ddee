import { useEffect, useLayoutEffect, useRef, useState } from './hooks.js';
import { html } from './html.js';
import { Bubble, Glyph } from './phone-bubble.js';
import { dayOf, minuteOf, plain } from './phone-text.js';
import { counted } from './words.js';

/** @import { Message, Phone } from './phone-api.js' */
/** @typedef {{ text?: string, media?: string, replyTo?: string, button?: string }} Written */
/** @typedef {(written: Written) => Promise<boolean>} Write */
/** @typedef {(message: Message, label: string) => void} Click */

/** From here on, a new message is scrolled to. */
const nearPx = 120;

/** @param {{ messages: readonly Message[], earlier: number, now: number, hands: import('./phone-bubble.js').Hands }} props */
function Log({ messages, earlier, now, hands }) {
  const box = useRef(/** @type {HTMLDivElement | null} */ (null));
  const atEnd = useRef(true);
  const last = messages.at(-1)?.id;
  useLayoutEffect(() => {
    if (box.current && atEnd.current) box.current.scrollTop = box.current.scrollHeight;
  });
  useEffect(() => {
    // What the customer writes is seen, wherever the chat was scrolled to.
    if (messages.at(-1)?.from === 'customer' && box.current) box.current.scrollTop = box.current.scrollHeight;
  }, [last]);
  const scrolled = () => {
    const { scrollHeight = 0, scrollTop = 0, clientHeight = 0 } = box.current ?? {};
    atEnd.current = scrollHeight - scrollTop - clientHeight < nearPx;
  };
  return html`
    <div class="phone-log" ref=${box} role="log" aria-label="Messages" tabindex="0" onScroll=${scrolled}>
      <ol>
        ${earlier > 0 && html`<li class="phone-day"><span>${counted(earlier, 'message')} before</span></li>`}
        ${messages.map((message, at) => {
          const day = dayOf(message.at, now);
          const before = messages[at - 1];
          const isNewDay = !before || dayOf(before.at, now) !== day;
          return html`
            ${isNewDay && html`<li class="phone-day" key=${`day-${message.id}`}><span>${day}</span></li>`}
            <li key=${message.id} class="phone-line" data-from=${message.from} data-follows=${!isNewDay && before?.from === message.from ? '' : undefined}>
              <${Bubble} message=${message} hands=${hands} />
            </li>
          `;
        })}
      </ol>
      ${messages.length === 0 && html`<p class="phone-day"><span>No messages yet</span></p>`}
    </div>
  `;
}

/** The message that the answer quotes. @param {{ message: Message, drop: () => void }} props */
const Quoted = ({ message: { from, text, file }, drop }) => html`
  <div class="phone-quote">
    <span class="phone-quote-who">${from === 'company' ? 'Your company' : 'You'}</span>
    <span class="phone-quote-text">${plain(text ?? file?.name ?? '')}</span>
    <button type="button" class="small" onClick=${drop}>Do not quote</button>
  </div>
`;

/** @param {{ write: Write, quoted: Message | undefined, unquote: () => void }} props */
function Composer({ write, quoted, unquote }) {
  const field = useRef(/** @type {HTMLTextAreaElement | null} */ (null));
  const [text, setText] = useState('');
  const id = quoted?.id;
  useEffect(() => {
    if (id !== undefined) field.current?.focus();
  }, [id]);
  const send = async () => {
    const words = text.trim();
    if (words !== '' && (await write({ text: words }))) setText('');
    field.current?.focus();
  };
  /** @param {KeyboardEvent} event */
  const onKey = (event) => {
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    void send();
  };
  /** @param {Event & { currentTarget: HTMLSelectElement }} event */
  const attach = ({ currentTarget }) => {
    const media = currentTarget.value;
    currentTarget.value = '';
    if (media) void write({ media });
  };
  return html`
    <form class="phone-composer" onSubmit=${(/** @type {Event} */ event) => {
      event.preventDefault();
      void send();
    }}>
      ${quoted && html`<${Quoted} message=${quoted} drop=${unquote} />`}
      <span class="phone-attach">
        <${Glyph} name="other" />
        <select aria-label="Attach a file" onChange=${attach}>
          <option value="">Attach</option>
          <option value="image">A photo</option>
          <option value="document">A document</option>
          <option value="video">A video</option>
        </select>
      </span>
      <textarea
        ref=${field} rows="1" maxlength="4096" aria-label="Answer as the customer" placeholder="Answer as the customer" value=${text}
        onKeyDown=${onKey}
        onInput=${(/** @type {Event & { currentTarget: HTMLTextAreaElement }} */ { currentTarget }) => setText(currentTarget.value)}
      ></textarea>
      <button type="submit" class="phone-send" aria-label="Send" disabled=${text.trim() === ''}>
        <svg viewBox="0 0 20 20" aria-hidden="true"><path d="M3 3l15 7-15 7 2.5-7z" /></svg>
      </button>
    </form>
  `;
}

/** The rows of a list message, over the page as on the phone. @param {{ message: Message, choose: (label: string) => void, close: () => void }} props */
function ListSheet({ message: { list }, choose, close }) {
  const sheet = useRef(/** @type {HTMLDialogElement | null} */ (null));
  useEffect(() => sheet.current?.showModal(), []);
  return html`
    <dialog class="phone-sheet" ref=${sheet} aria-labelledby="sheet-title" onClose=${close}>
      <form method="dialog" class="phone-sheet-head">
        <h2 id="sheet-title">${list?.label}</h2>
        <button type="submit" class="quiet">Close</button>
      </form>
      ${list?.sections.map(
        ({ title, rows }, at) => html`<section key=${at} aria-label=${title ?? list.label}>
          ${title && html`<h3>${title}</h3>`}
          ${rows.map(
            (row) => html`<button type="button" key=${row.title} onClick=${() => choose(row.title)}>
              <span>${row.title}</span>
              ${row.description && html`<span class="muted">${row.description}</span>`}
            </button>`,
          )}
        </section>`,
      )}
    </dialog>
  `;
}

/**
 * The phone itself: the chat with the company, and a field to answer.
 * @param {{ phone: Phone, now: number, write: Write, click: Click }} props
 */
export function Handset({ phone: { name, phone, data, earlier }, now, write, click }) {
  const [list, setList] = useState(/** @type {Message | undefined} */ (undefined));
  const [quoted, setQuoted] = useState(/** @type {Message | undefined} */ (undefined));
  useEffect(() => setQuoted(undefined), [phone]);
  /** @type {Write} */
  const answer = async (written) => {
    const isWritten = await write({ ...written, ...(quoted && { replyTo: quoted.id }) });
    if (isWritten) setQuoted(undefined);
    return isWritten;
  };
  /** @type {import('./phone-bubble.js').Hands} */
  const hands = {
    tap: ({ id }, label) => void write({ replyTo: id, button: label }),
    click,
    open: setList,
    quote: setQuoted,
  };
  const owner = name === phone ? `+${phone}` : name;
  return html`
    <section class="phone-handset" aria-label=${`The phone of ${owner}`}>
      <div class="phone-screen">
        <p class="phone-status-bar"><time>${minuteOf(now)}</time><span>${name === phone ? '' : name}</span><span>+${phone}</span></p>
        <div class="phone-chat-head">
          <span class="phone-avatar" data-hue="company" aria-hidden="true">Y</span>
          <span class="phone-chat-name">Your company</span>
          <span class="phone-chat-last">Business account</span>
        </div>
        <${Log} key=${phone} messages=${data} earlier=${earlier} now=${now} hands=${hands} />
        <${Composer} key=${`composer-${phone}`} write=${answer} quoted=${quoted} unquote=${() => setQuoted(undefined)} />
      </div>
    </section>
    ${
      list &&
      html`<${ListSheet}
        message=${list}
        close=${() => setList(undefined)}
        choose=${(/** @type {string} */ label) => {
          setList(undefined);
          hands.tap(list, label);
        }}
      />`
    }
  `;
}
