import { useEffect, useId, useRef, useState } from './hooks.js';
import { html } from './html.js';
import { ErrorNote } from './ui.js';

/** @typedef {import('./preact.js').ComponentChildren} Children */

/**
 * A dialog that is open while it is rendered. The browser traps the focus in it, and restores it afterwards.
 * @param {{ title: string, onClose: () => void, children?: Children }} props
 */
function Dialog({ title, onClose, children }) {
  const element = useRef(/** @type {HTMLDialogElement | null} */ (null));
  const id = useId();
  useEffect(() => {
    const dialog = element.current;
    dialog?.showModal();
    return () => dialog?.close();
  }, []);
  return html`
    <dialog ref=${element} aria-labelledby=${id} onClose=${onClose}>
      <h2 id=${id}>${title}</h2>
      ${children}
    </dialog>
  `;
}

/**
 * An act, and the question that confirms it.
 * @typedef {{
 *   title: string,
 *   words: Children,
 *   confirm: string,
 *   tone?: 'primary' | 'danger',
 *   askReason?: string,
 *   askTime?: string,
 *   act: (reason: string, at: string | undefined) => Promise<unknown>,
 *   onDone?: () => void,
 * }} Act
 */

/** @param {Event} event */
const typed = ({ target }) => (target instanceof HTMLInputElement ? target.value : '');

/**
 * Explains an act, asks for a reason if one is recorded, and performs it. After a failure the dialog stays open and shows it.
 * @param {{ ask: Act, onClose: () => void }} props
 */
function ActDialog({ ask: { title, words, confirm, tone = 'primary', askReason, askTime, act, onDone }, onClose }) {
  const [reason, setReason] = useState('');
  const [time, setTime] = useState('');
  const [state, setState] = useState(/** @type {{ busy?: boolean, error?: Error }} */ ({}));
  const lacks = (askReason !== undefined && reason.trim() === '') || (askTime !== undefined && time === '');
  const field = useId();
  /** @param {Event} event */
  const submit = async (event) => {
    event.preventDefault();
    if (lacks || state.busy) return;
    setState({ busy: true });
    try {
      await act(reason.trim(), time === '' ? undefined : new Date(time).toISOString());
      onDone?.();
      onClose();
    } catch (error) {
      setState({ error: error instanceof Error ? error : new Error(String(error)) });
    }
  };
  return html`
    <${Dialog} title=${title} onClose=${onClose}>
      <form onSubmit=${submit} class="dialog-form">
        <div class="words">${words}</div>
        ${
          askReason !== undefined &&
          html`<div class="field">
            <label for=${field}>${askReason}</label>
            <input id=${field} value=${reason} maxlength="512" required autocomplete="off"
              onInput=${(/** @type {Event} */ event) => setReason(typed(event))} />
          </div>`
        }
        ${
          askTime !== undefined &&
          html`<div class="field">
            <label for=${`${field}-time`}>${askTime}</label>
            <input id=${`${field}-time`} type="datetime-local" value=${time} required
              onInput=${(/** @type {Event} */ event) => setTime(typed(event))} />
          </div>`
        }
        <${ErrorNote} error=${state.error} />
        <div class="actions end">
          <button type="button" onClick=${onClose}>Back</button>
          <button type="submit" class=${tone} disabled=${lacks || state.busy}>${state.busy ? 'Working' : confirm}</button>
        </div>
      </form>
    </${Dialog}>
  `;
}

/**
 * Returns `[the dialog to render, a function that opens it]`. At most one dialog is open at a time.
 * @returns {[Children, (ask: Act) => void]}
 */
export function useAct() {
  const [ask, setAsk] = useState(/** @type {Act | undefined} */ (undefined));
  // The event `close` comes late, when another dialog may be open.
  const close = () => setAsk((now) => (now === ask ? undefined : now));
  const dialog = ask && html`<${ActDialog} key=${ask.title} ask=${ask} onClose=${close} />`;
  return [dialog, setAsk];
}
