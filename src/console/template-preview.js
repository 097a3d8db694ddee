import { callJson } from './api.js';
import { Field } from './find-filters.js';
import { useEffect, useState } from './hooks.js';
import { html } from './html.js';
import { useLoad } from './load.js';
import { Chip, ErrorNote, Loading } from './ui.js';

/** @import { RenderedTemplate, Template } from './shapes.d.ts' */

const typingMs = 250;

/** Shows a template as the customer would read it. @param {{ rendered: RenderedTemplate }} props */
const Bubble = ({ rendered: { header, media, body, footer, buttons = [], cards = [] } }) => html`
  <div class="chat">
    <div class="bubble">
      ${media && html`<p class="media">${media.type}: ${media.url}</p>`}
      ${header && html`<p><strong>${header}</strong></p>`}
      <p class="said">${body}</p>
      ${footer && html`<p class="muted">${footer}</p>`}
    </div>
    ${buttons.length > 0 && html`<ul class="bubble-buttons">${buttons.map(({ text, url }) => html`<li>${text ?? url ?? ''}</li>`)}</ul>`}
    ${cards.map((card) => html`<div class="bubble"><p class="said">${card.body}</p></div>`)}
  </div>
`;

/**
 * Renders the template with these values, a moment after the last change.
 * @param {Template} template
 * @param {Record<string, string>} values
 */
function useRendered({ name, language }, values) {
  const [state, setState] = useState(/** @type {{ rendered?: RenderedTemplate, error?: Error }} */ ({}));
  const asked = JSON.stringify(values);
  useEffect(() => {
    const stop = new AbortController();
    const timer = setTimeout(() => {
      const body = { parameters: values, ...(language !== undefined && { language }) };
      callJson(`/v1/templates/${encodeURIComponent(name)}/preview`, { method: 'POST', body, signal: stop.signal }).then(
        (rendered) => setState({ rendered: /** @type {RenderedTemplate} */ (rendered) }),
        (error) => !stop.signal.aborted && setState({ error }),
      );
    }, typingMs);
    return () => {
      clearTimeout(timer);
      stop.abort();
    };
  }, [name, language, asked]);
  return state;
}

/** @param {{ template: Template }} props */
function Form({ template }) {
  const { name, parameters, status, language, category } = template;
  const [values, setValues] = useState(() => Object.fromEntries(parameters.map((each) => [each, `{{${each}}}`])));
  const { rendered, error } = useRendered(template, values);
  return html`
    <div class="halves">
      <section aria-labelledby="parameters-title">
        <h2 id="parameters-title">${name}</h2>
        <p class="actions"><${Chip} tone=${status === 'approved' ? 'ok' : 'warn'}>${status}</${Chip}> <span class="muted">${[language, category].filter(Boolean).join(' · ')}</span></p>
        ${parameters.length === 0 && html`<p class="muted">It has no parameters.</p>`}
        <div class="fields one">
          ${parameters.map(
            (each) =>
              html`<${Field} key=${each} name=${each} value=${values[each] ?? ''} onChange=${(/** @type {string} */ value) => setValues({ ...values, [each]: value })} />`,
          )}
        </div>
      </section>
      <section aria-labelledby="preview-title">
        <h2 id="preview-title">As the customer reads it</h2>
        <${ErrorNote} error=${error} />
        ${rendered ? html`<${Bubble} rendered=${rendered} />` : !error && html`<${Loading} />`}
        <p class="muted">Nothing is sent from here.</p>
      </section>
    </div>
  `;
}

/** @param {{ name: string }} props */
export function TemplatePreview({ name }) {
  /** @type {import('./load.js').Loaded<Template>} */
  const { data, error, reload } = useLoad(`/v1/templates/${encodeURIComponent(name)}`);
  if (error) return html`<${ErrorNote} error=${error} retry=${reload} />`;
  return data ? html`<${Form} template=${data} />` : html`<${Loading} />`;
}
