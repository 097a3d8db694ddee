import { html } from './html.js';
import { answerOf, standingOf, subjectOf } from './message-words.js';
import { linkTo } from './router.js';
import { Chip, Table, Time } from './ui.js';

/** @import { OperatorMessage } from './shapes.d.ts' */

/** @param {{ message: OperatorMessage, answers: boolean, ofOne: boolean }} props */
function Row({ message, answers, ofOne }) {
  const { id, to, caller, reference, createdAt, updatedAt } = message;
  const { tone, words } = standingOf(message);
  const subject = ofOne ? to : subjectOf(message);
  return html`
    <tr>
      <td>
        <${Chip} tone=${tone}>${words}</${Chip}>
        ${answers && html`<p class="answer">${answerOf(message)}</p>`}
      </td>
      <td>
        <a href=${linkTo('messages', id)}>${reference ?? subject}</a>
        ${reference !== undefined && html`<br /><span class="muted">${subject}</span>`}
      </td>
      ${!ofOne && html`<td class="wide">${to ?? ''}</td><td class="wide">${caller}</td>`}
      <td><${Time} at=${ofOne ? updatedAt : createdAt} /></td>
    </tr>
  `;
}

/**
 * Shows messages as rows that link to them. `answers` adds a sentence with the outcome of each; `ofOne`: all are of one broadcast.
 * @param {{ label: string, messages: readonly OperatorMessage[], busy?: boolean, answers?: boolean, ofOne?: boolean }} props
 */
export const MessageTable = ({ label, messages, busy = false, answers = false, ofOne = false }) => html`
  <${Table} label=${label} busy=${busy}
    head=${html`<th>Outcome</th><th>${ofOne ? 'Recipient' : 'Message'}</th>
      ${!ofOne && html`<th class="wide">To</th><th class="wide">Caller</th>`}<th>${ofOne ? 'Changed' : 'Recorded'}</th>`}>
    ${messages.map((message) => html`<${Row} key=${message.id} message=${message} answers=${answers} ofOne=${ofOne} />`)}
  </${Table}>
`;
