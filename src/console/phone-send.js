import { callJson, newIdempotencyKey } from './api.js';
import { useState } from './hooks.js';
import { html } from './html.js';
import { linkTo } from './router.js';
import { Chip, ErrorNote } from './ui.js';

/** @import { Tone } from './ui.js' */
/** @typedef {{ name: string, path: string, body: (to: string) => object }} Example */
/** @typedef {{ id: string, status: string }} Sent */

/** What other services send, one of each kind. */
/** @type {readonly Example[]} */
const examples = [
  {
    name: 'Text',
    path: 'text',
    body: (to) => ({ to, text: 'Your parcel *A-1001* is on its way. It arrives between 9 and 11.' }),
  },
  {
    name: 'Template',
    path: 'template',
    body: (to) => ({
      to,
      template: 'invoice_ready',
      parameters: { name: 'Asha', invoice_no: '2026-118', amount: '49.90 EUR' },
    }),
  },
  {
    name: 'Buttons',
    path: 'buttons',
    body: (to) => ({
      to,
      body: 'Shall we deliver tomorrow morning?',
      footer: 'Order A-1001',
      buttons: [{ text: 'Yes, please' }, { text: 'Another day' }],
    }),
  },
  {
    name: 'List',
    path: 'list',
    body: (to) => ({
      to,
      body: 'When shall we come?',
      buttonText: 'Choose a time',
      sections: [
        {
          title: 'Tomorrow',
          rows: [
            { title: '9 to 11', description: 'Before work' },
            { title: '17 to 19', description: 'After work' },
          ],
        },
        { title: 'On Saturday', rows: [{ title: '10 to 12' }] },
      ],
    }),
  },
  {
    name: 'File',
    path: 'file-link',
    body: (to) => ({ to, url: 'https://example.com/invoices/invoice-2026-118.pdf', caption: 'Your invoice' }),
  },
];

/** @type {Record<string, Tone>} */
const tones = { accepted: 'ok', unknown: 'doubt', rejected: 'bad', not_sent: 'bad' };

/** Sends to the phone as another service does, with the key of the console. @param {{ to: string, changed: () => void }} props */
export function Send({ to, changed }) {
  const [last, setLast] = useState(
    /** @type {{ example: Example, to: string, sent?: Sent, error?: Error } | undefined} */ (undefined),
  );
  const busy = last !== undefined && !last.sent && !last.error;
  /** @param {Example} example */
  const send = async (example) => {
    if (busy) return;
    setLast({ example, to });
    try {
      const sent = /** @type {Sent} */ (
        await callJson(`/v1/messages/${example.path}`, {
          method: 'POST',
          body: example.body(to),
          headers: { 'idempotency-key': newIdempotencyKey() },
        })
      );
      setLast({ example, to, sent });
    } catch (error) {
      setLast({ example, to, error: /** @type {Error} */ (error) });
    }
    changed();
  };
  return html`
    <section class="card" aria-labelledby="send-title">
      <h2 id="send-title">Send to this phone</h2>
      <div class="actions">
        ${examples.map(
          (example) =>
            html`<button type="button" key=${example.name} aria-disabled=${busy} onClick=${() => send(example)}>${example.name}</button>`,
        )}
      </div>
      <div role="status">
        ${last?.sent && html`<p class="hint"><${Chip} tone=${tones[last.sent.status] ?? 'info'}>${last.sent.status}</${Chip}> <a href=${linkTo('messages', last.sent.id)}>what became of it</a></p>`}
      </div>
      <${ErrorNote} error=${last?.error} />
      ${
        last
          ? html`<details class="more">
              <summary>The call</summary>
              <pre>POST /v1/messages/${last.example.path}${'\n'}${JSON.stringify(last.example.body(last.to), null, 2)}</pre>
            </details>`
          : html`<p class="hint">As your service does: by <code>POST /v1/messages/…</code> with the key of this console.</p>`
      }
    </section>
  `;
}
