import { Field } from './find-filters.js';
import { useState } from './hooks.js';
import { html } from './html.js';
import { count } from './words.js';

/** @import { OperatorCaller } from './shapes.d.ts' */

/** Maximum number of callers that are listed; the field above filters them. */
const listedMax = 50;

/**
 * Lets an operator choose callers and connections.
 * @param {{
 *   callers: OperatorCaller[],
 *   chosen: string[],
 *   onChoose: (ids: string[]) => void,
 *   connections: string,
 *   onConnections: (ids: string) => void,
 * }} props
 */
export function Choices({ callers, chosen, onChoose, connections, onConnections }) {
  const [part, setPart] = useState('');
  const fits = callers.filter(({ id, name }) => `${id} ${name ?? ''}`.toLowerCase().includes(part.toLowerCase()));
  /** @param {string} id */
  const toggle = (id) => onChoose(chosen.includes(id) ? chosen.filter((each) => each !== id) : [...chosen, id]);
  return html`
    ${callers.length > 8 && html`<${Field} name="Callers whose name contains" value=${part} onChange=${setPart} type="search" />`}
    <fieldset class="choices">
      <legend class="label">Callers</legend>
      ${fits.slice(0, listedMax).map(
        ({ id, name, queued }) => html`<label key=${id} class="choice">
            <input type="checkbox" checked=${chosen.includes(id)} onChange=${() => toggle(id)} /> ${name ?? id}
            ${queued > 0 && html`<span class="muted">${count(queued)} queued</span>`}
          </label>`,
      )}
      ${fits.length > listedMax && html`<p class="muted">${count(fits.length - listedMax)} more: narrow the names down.</p>`}
    </fieldset>
    <${Field} name="Connections (ids, with blanks in between)" value=${connections} onChange=${onConnections} />
  `;
}
