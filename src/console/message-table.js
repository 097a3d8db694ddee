import { html } from './html.js';
import { answerOf, standingOf, subjectOf } from './message-words.js';
import { linkTo } from './router.js';
import { Chip, Table, Time } from './ui.js';

/** @import { OperatorMessage } from './shapes.d.ts' */

/** @param {{ message: OperatorMessage, answers: boolean }} props */
function Row({ message, answers }) {
  const { id, to, caller, reference, createdAt } = message;
  const { tone, words } = standingOf(message);
  return html`
    <tr>
      <td>
        <${Chip} tone=${tone}>${words}</${Chip}>
        ${answers && html`<p class="answer">${answerOf(message)}</p>`}
      </td>
      <td><a href=${linkTo('messages', id)}>${reference ?? subjectOf(message)}</a>${reference !== undefined && html`<br /><span class="muted">${subjectOf(message)}</span>`}</td>
      <td class="wide">${to ?? ''}</td>
      <td class="wide">${caller}</td>
      <td><${Time} at=${createdAt} /></td>
    </tr>
  `;
}

/**
 * @param {{ label: string, messages: readonly OperatorMessage[], busy?: boolean, answers?: boolean }} props
 */
export const MessageTable = ({ label, messages, busy = false, answers = false }) => html`
  <${Table} label=${label} busy=${busy}
    head=${html`<th>Outcome</th><th>Message</th><th class="wide">To</th><th class="wide">Caller</th><th>Recorded</th>`}>
    ${messages.map((message) => html`<${Row} key=${message.id} message=${message} answers=${answers} />`)}
  </${Table}>
`;
