import { facts } from './facts.js';
import { useEffect, useState } from './hooks.js';
import { html } from './html.js';
import { sandbox, usePolled } from './phone-api.js';
import { dayOf, minuteOf, plain } from './phone-text.js';
import { linkTo } from './router.js';
import { ErrorNote } from './ui.js';
import { counted } from './words.js';

/** @import { Chat } from './phone-api.js' */
/** @import { PhoneList } from '../simulator/phones.ts' */

const everyMs = 2_500;

/** Customers whose numbers decide the outcome of a message (docs/sandbox.md). */
const parts = [
  ['14155550000', 'reads everything'],
  ['14155550701', 'gets it, and never reads it'],
  ['14155550704', 'taps the first button'],
  ['14155550726', 'cannot be reached'],
  ['14155550424', 'has opted out'],
  ['14155550409', 'has not written for a day'],
  ['14155550202', 'gets it, and the answer is lost'],
];

/** @param {{ chat: Chat, now: number, here: boolean }} props */
function ChatRow({ chat: { phone, name, last }, now, here }) {
  const day = dayOf(last.at, now);
  return html`<li>
    <a class="phone-chat" href=${linkTo('phone', phone)} aria-current=${here ? 'true' : undefined}>
      <${Avatar} name=${name} />
      <span class="phone-chat-name">${name === phone ? `+${phone}` : name}</span>
      <time class="phone-chat-time" datetime=${last.at}>${day === 'Today' ? minuteOf(last.at) : day}</time>
      <span class="phone-chat-last">${last.from === 'customer' ? '' : html`<span class="muted">Company: </span>`}${plain(last.text)}</span>
    </a>
  </li>`;
}

/** @param {{ name: string }} props */
const Avatar = ({ name }) =>
  html`<span class="phone-avatar" data-hue=${hueOf(name)} aria-hidden="true">${(/[\p{L}\p{N}]/u.exec(name)?.[0] ?? '?').toUpperCase()}</span>`;

/** Returns one of six colours, always the same for a name. @param {string} name */
const hueOf = (name) => [...name].reduce((sum, letter) => sum + (letter.codePointAt(0) ?? 0), 0) % 6;

/**
 * Lists the customers with a conversation, and opens any other number.
 * @param {{ phone: string, last: string | undefined, now: number, open: (phone: string) => void }} props
 */
export function Chats({ phone, last, now, open }) {
  const [search, setSearch] = useState('');
  /** @type {{ data: PhoneList | undefined, error: Error | undefined, refresh: () => void }} */
  const {
    data: list,
    error,
    refresh,
  } = usePolled(`phones?limit=12&search=${encodeURIComponent(search.replace(/^\+/, ''))}`, everyMs);
  // A new message in the open conversation moves it to the top.
  useEffect(refresh, [last]);
  const number = /^\+?([1-9][0-9]{6,14})$/.exec(search.trim())?.[1];
  const known = list?.data.some((chat) => chat.phone === number);
  /** @param {Event} event */
  const submit = (event) => {
    event.preventDefault();
    const found = number ?? list?.data[0]?.phone;
    if (found) open(found);
  };
  return html`
    <section class="phone-chats" aria-labelledby="chats-title">
      <h2 id="chats-title">Customers</h2>
      <form role="search" onSubmit=${submit}>
        <label class="hidden" for="chat-search">A name, or any phone number</label>
        <input
          id="chat-search" type="search" placeholder="Name, or any number" autocomplete="off" value=${search}
          onInput=${(/** @type {Event & { currentTarget: HTMLInputElement }} */ { currentTarget }) => setSearch(currentTarget.value)}
        />
      </form>
      <${ErrorNote} error=${error} />
      <ul class="phone-chat-list">
        ${
          number &&
          !known &&
          html`<li><a class="phone-chat" href=${linkTo('phone', number)}><${Avatar} name="+" /><span class="phone-chat-name">+${number}</span><span class="phone-chat-last">A new customer</span></a></li>`
        }
        ${list?.data.map((chat) => html`<${ChatRow} key=${chat.phone} chat=${chat} now=${now} here=${chat.phone === phone} />`)}
      </ul>
      ${list && list.total > list.data.length && html`<p class="hint">and ${counted(list.total - list.data.length, 'other')}: search by name or number</p>`}
      ${list?.total === 0 && !number && html`<p class="hint">Nobody of that name has a conversation.</p>`}
      <details class="more">
        <summary>Customers with a part to play</summary>
        <ul class="phone-parts">
          ${parts.map(
            ([to, does]) =>
              html`<li key=${to}><a href=${linkTo('phone', to)} aria-current=${to === phone ? 'true' : undefined}>…${to?.slice(-4)}</a> ${does}</li>`,
          )}
        </ul>
        <p class="hint">The last four digits decide. ${facts.docs ? html`<a href="/docs/guides/sandbox.md">More of them</a>` : 'More are in docs/sandbox.md'}.</p>
      </details>
    </section>
  `;
}

/** Returns the number of the newest conversation. */
export async function newestPhone() {
  /** @type {PhoneList} */
  const { data } = await sandbox('phones?limit=1');
  return data[0]?.phone;
}
