import { html } from './html.js';
import { Table, Time } from './ui.js';

/** @import { OperatorMessageDetail } from './shapes.d.ts' */
/** @import { Tone } from './ui.js' */

/** @type {Record<string, { tone: Tone, words: string }>} */
const events = {
  recorded: { tone: 'idle', words: 'Recorded' },
  scheduled: { tone: 'idle', words: 'Due' },
  sending: { tone: 'info', words: 'Out to WATI' },
  requeued: { tone: 'warn', words: 'Not sent, and queued again' },
  accepted: { tone: 'info', words: 'Accepted by WATI' },
  rejected: { tone: 'bad', words: 'Refused' },
  not_sent: { tone: 'warn', words: 'Not sent' },
  unknown: { tone: 'doubt', words: 'Answer lost: unknown' },
  cancelled: { tone: 'idle', words: 'Cancelled' },
  sent: { tone: 'info', words: 'Sent to the phone' },
  delivered: { tone: 'ok', words: 'Delivered to the phone' },
  read: { tone: 'ok', words: 'Read' },
  replied: { tone: 'ok', words: 'The customer answered' },
  failed: { tone: 'bad', words: 'Not delivered' },
  looked: { tone: 'doubt', words: 'Looked for' },
  resent: { tone: 'info', words: 'Sent again as another message' },
};

/** @param {{ message: OperatorMessageDetail }} props */
function Attempts({ message: { attemptsMade, attempts } }) {
  if (attempts < 2 && attemptsMade.every(({ code }) => code === undefined)) return null;
  return html`
    <h3>Attempts</h3>
    <${Table} label="Attempts" head=${html`<th class="n">No.</th><th>At</th><th>Failed because</th>`}>
      ${attemptsMade.map(
        ({ attempt, at, code }) =>
          html`<tr key=${attempt}><td class="n">${attempt}</td><td><${Time} at=${at} /></td><td>${code ?? ''}</td></tr>`,
      )}
    </${Table}>
    ${attemptsMade.length < attempts && html`<p class="muted">${attempts} in all; earlier ones are not kept.</p>`}
  `;
}

/**
 * Shows the steps of a message, oldest first.
 * @param {{ message: OperatorMessageDetail }} props
 */
export const Timeline = ({ message }) => html`
  <ol class="timeline">
    ${message.timeline.map(({ at, event, detail }, n) => {
      const { tone, words } = events[event] ?? { tone: 'idle', words: event };
      return html`<li key=${n} data-tone=${tone}>
        <${Time} at=${at} long=${true} />
        <p><strong>${words}</strong>${detail && html`<span class="muted"> · ${detail}</span>`}</p>
      </li>`;
    })}
  </ol>
  <${Attempts} message=${message} />
`;
