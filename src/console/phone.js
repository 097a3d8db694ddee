import { useEffect, useState } from './hooks.js';
import { html } from './html.js';
import { sandbox, usePolled } from './phone-api.js';
import { Chats, newestPhone } from './phone-chats.js';
import { Controls } from './phone-controls.js';
import { Handset } from './phone-handset.js';
import { Send } from './phone-send.js';
import { linkTo } from './router.js';
import { ErrorNote, Loading } from './ui.js';

/** @import { Phone } from './phone-api.js' */

const everyMs = 700;
/** How far the displayed clock may be behind the sandbox. */
const clockMs = 5_000;

/** The style sheet is loaded with this module, because only a sandbox has a phone. */
const sheet = Object.assign(document.createElement('link'), {
  rel: 'stylesheet',
  href: new URL('./phone.css', import.meta.url).href,
});
const styled = new Promise((resolve) => {
  sheet.onload = resolve;
  sheet.onerror = resolve;
});
document.head.append(sheet);
await styled;

/** @param {string} number */
function open(number) {
  location.hash = linkTo('phone', number);
}

/** @param {{ number: string }} props */
function OpenPhone({ number }) {
  /** @type {{ data: Phone | undefined, error: Error | undefined, refresh: () => void }} */
  const { data: phone, error, refresh } = usePolled(`phones/${encodeURIComponent(number)}?limit=200`, everyMs);
  const [fault, setFault] = useState(/** @type {Error | undefined} */ (undefined));
  useEffect(() => setFault(undefined), [number]);
  const [, tick] = useState({});
  useEffect(() => {
    const timer = setInterval(() => tick({}), clockMs);
    return () => clearInterval(timer);
  }, []);
  const now = Date.now() + (phone?.advancedSeconds ?? 0) * 1_000;
  /** @type {import('./phone-handset.js').Write} */
  const write = (written) => tell('messages', { from: number, ...written });
  /** The link opens by itself; WATI tells of the tap. @type {import('./phone-handset.js').Click} */
  const click = (message, button) => void tell('clicks', { from: number, message: message.id, button });
  /** @param {string} path @param {object} body */
  const tell = async (path, body) => {
    try {
      await sandbox(path, body);
      setFault(undefined);
      return true;
    } catch (error) {
      setFault(/** @type {Error} */ (error));
      return false;
    } finally {
      refresh();
    }
  };
  return html`
    <div class="phone-page">
      <${Chats} phone=${number} last=${phone?.data.at(-1)?.id} now=${now} open=${open} />
      <div class="phone-place">
        <${ErrorNote} error=${fault ?? error} />
        ${phone ? html`<${Handset} phone=${phone} now=${now} write=${write} click=${click} />` : !error && html`<${Loading} />`}
      </div>
      <div class="phone-side">
        ${phone && html`<${Send} key=${number} to=${number} changed=${refresh} /><${Controls} phone=${phone} now=${now} changed=${refresh} />`}
      </div>
    </div>
  `;
}

/** @param {{ argument: string | undefined }} props */
export function Section({ argument }) {
  const [error, setError] = useState(/** @type {Error | undefined} */ (undefined));
  useEffect(() => {
    if (argument === undefined)
      newestPhone().then((phone) => phone && location.replace(linkTo('phone', phone)), setError);
  }, [argument]);
  if (argument !== undefined) return html`<${OpenPhone} number=${argument.replace(/^\+/, '')} />`;
  return error ? html`<${ErrorNote} error=${error} />` : html`<${Loading} />`;
}
