import { useAct } from './dialog.js';
import { useState } from './hooks.js';
import { html } from './html.js';
import { sandbox, usePolled } from './phone-api.js';
import { dayAndMinute, dayOf, minuteOf } from './phone-text.js';
import { Chip, ErrorNote } from './ui.js';
import { duration } from './words.js';

/** @import { NextSends, Phone } from './phone-api.js' */
/** @typedef {{ phone: Phone, now: number, act: (act: () => Promise<unknown>) => Promise<boolean>, busy: boolean }} Props */

const hour = 3_600;
const day = 24 * hour;

/** @param {Props} props */
function Clock({ phone: { advancedSeconds, window: open }, now, act, busy }) {
  /** @param {number} seconds */
  const advance = (seconds) => act(() => sandbox('clock', { advanceSeconds: seconds }));
  const isAhead = advancedSeconds > 0;
  return html`
    <section class="card" aria-labelledby="clock-title">
      <div class="card-head">
        <h2 id="clock-title">Time</h2>
        <span class="muted">${isAhead ? `${dayAndMinute(now)}, ${duration(advancedSeconds * 1_000)} ahead` : minuteOf(now)}</span>
      </div>
      <div class="actions">
        <button type="button" aria-disabled=${busy} onClick=${() => advance(hour)}>An hour later</button>
        <button type="button" aria-disabled=${busy} onClick=${() => advance(day)}>A day later</button>
      </div>
      <p class="hint">
        ${
          open
            ? html`<${Chip} tone=${open.isOpen ? 'ok' : 'idle'}>Window ${open.isOpen ? 'open' : 'closed'}</${Chip}>
              ${open.isOpen ? ` until ${dayOf(open.endsAt, now).toLowerCase()}, ${minuteOf(open.endsAt)}` : ' since 24 hours after the last answer: only templates arrive'}`
            : html`<${Chip} tone="idle">Window closed</${Chip}> This customer never wrote: only templates arrive`
        }
      </p>
    </section>
  `;
}

/** @type {readonly (readonly [fault: string, words: string])[]} */
const others = [
  ['answer-late', 'Its answer comes too late'],
  ['request-lost', 'The connection breaks before it is sent'],
  ['too-many-requests', 'It is refused as too many (429)'],
  ['server-error', 'The gateway fails (500)'],
];

/** @param {Omit<Props, 'phone' | 'now'>} props */
function NextSend({ act, busy }) {
  /** @type {{ data: NextSends | undefined, refresh: () => void }} */
  const { data, refresh } = usePolled('next-sends', 1_000);
  const [armed = 'none'] = data?.waiting ?? [];
  /** @param {string} fault */
  const arm = (fault) => act(() => sandbox('next-sends', { fault: armed === fault ? 'none' : fault }).finally(refresh));
  const words = others.find(([fault]) => fault === armed)?.[1];
  return html`
    <section class="card" aria-labelledby="fault-title">
      <div class="card-head"><h2 id="fault-title">The next send</h2><span role="status">${armed !== 'none' && html`<${Chip} tone="warn">Armed</${Chip}>`}</span></div>
      <div class="actions">
        <button type="button" class="phone-toggle" aria-pressed=${armed === 'answer-lost'} aria-disabled=${busy} onClick=${() => arm('answer-lost')}>
          The next answer is lost
        </button>
      </div>
      <p class="hint">
        ${
          armed === 'answer-lost'
            ? 'The next message arrives here, and the service does not hear of it. A minute later it looks, and finds texts and templates.'
            : (words ?? 'WATI sends it, and its answer never comes back: what a service must never send twice.')
        }
      </p>
      <details class="more">
        <summary>Other faults</summary>
        <div class="actions">
          ${others.map(
            ([fault, does]) =>
              html`<button type="button" key=${fault} class="phone-toggle" aria-pressed=${armed === fault} aria-disabled=${busy} onClick=${() => arm(fault)}>${does}</button>`,
          )}
        </div>
      </details>
    </section>
  `;
}

/** @param {{ changed: () => void }} props */
function Reset({ changed }) {
  const [dialog, ask] = useAct();
  const reset = () =>
    ask({
      title: 'Reset the sandbox',
      words:
        'All messages, records and templates are as at the start, for everybody who uses this sandbox, and so is the clock.',
      confirm: 'Reset everything',
      tone: 'danger',
      act: () => sandbox('reset', {}),
      onDone: changed,
    });
  return html`
    <section class="card" aria-labelledby="reset-title">
      <h2 id="reset-title">Start again</h2>
      <div class="actions"><button type="button" onClick=${reset}>Reset the sandbox</button></div>
      ${dialog}
    </section>
  `;
}

/** Controls of the sandbox beside the phone. @param {{ phone: Phone, now: number, changed: () => void }} props */
export function Controls({ phone, now, changed }) {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState(/** @type {Error | undefined} */ (undefined));
  /** @type {Props['act']} */
  const act = async (run) => {
    // Buttons are not disabled meanwhile, because a disabled button loses the focus.
    if (busy) return false;
    setBusy(true);
    setError(undefined);
    try {
      await run();
      return true;
    } catch (fault) {
      setError(/** @type {Error} */ (fault));
      return false;
    } finally {
      setBusy(false);
      changed();
    }
  };
  return html`
    <${ErrorNote} error=${error} />
    <${Clock} phone=${phone} now=${now} act=${act} busy=${busy} />
    <${NextSend} act=${act} busy=${busy} />
    <${Reset} changed=${changed} />
  `;
}
