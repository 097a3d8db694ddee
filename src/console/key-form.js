import { CallError, callJson } from './api.js';
import { facts } from './facts.js';
import { useEffect, useRef, useState } from './hooks.js';
import { html } from './html.js';
import { lockReason, open } from './session.js';
import { useStore } from './store.js';
import { AccountBadge } from './ui.js';

/** @import { Holder } from './session.js' */
/** @import { OperatorCaller } from './shapes.d.ts' */

/** @param {unknown} error */
function faultOf(error) {
  if (!(error instanceof CallError)) return 'Something went wrong in this page. Load it again.';
  if (error.status === 401) return 'This key is not known here. Look whether it was copied as a whole.';
  if (error.isForbidden) return `${error.message}. The console needs a key with operations:read.`;
  return error.message;
}

/**
 * Finds the holder of a key by its digest, which the list of callers contains. Returns undefined over plain HTTP, where browsers do
 * not compute digests.
 * @param {string} given
 * @returns {Promise<Holder | undefined>}
 */
async function holderOf(given) {
  if (!crypto.subtle) return undefined;
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(given));
  const id = Array.from(new Uint8Array(digest).subarray(0, 4), (byte) => byte.toString(16).padStart(2, '0')).join('');
  /** @type {{ data: OperatorCaller[] }} */
  const { data } = await callJson('/v1/operations/callers', { headers: { authorization: `Bearer ${given}` } });
  const own = data.find(({ keyIds }) => keyIds.includes(id));
  return own && { id: own.id, name: own.name ?? own.id, scopes: own.scopes };
}

/** Reads the public key of a sandbox. Does not ask a real service, which has none. */
function usePublicKey() {
  const [key, setKey] = useState(/** @type {string | undefined} */ (undefined));
  useEffect(() => {
    if (!facts.sandbox) return;
    fetch('/_sandbox/key', { credentials: 'omit' })
      .then((answer) => answer.json())
      .then(
        (told) => setKey(told.key ?? undefined),
        () => undefined,
      );
  }, []);
  return key;
}

/** Asks for a key, and checks with the service that it has `operations:read` before anything is shown. */
export function KeyForm() {
  const [fault, setFault] = useState('');
  const [busy, setBusy] = useState(false);
  const publicKey = usePublicKey();
  const reason = useStore(lockReason);
  const field = useRef(/** @type {HTMLInputElement | null} */ (null));
  useEffect(() => {
    document.title = 'Console · wati-bff';
    field.current?.focus();
  }, []);

  /** @param {Event} event */
  const submit = (event) => {
    event.preventDefault();
    const given = field.current?.value.trim() ?? '';
    return given === '' ? setFault('Type or paste a key.') : openWith(given);
  };

  /** @param {string} given */
  const openWith = async (given) => {
    setBusy(true);
    setFault('');
    try {
      await callJson('/v1/operations/overview', { headers: { authorization: `Bearer ${given}` } });
      open(given, await holderOf(given).catch(() => undefined));
    } catch (error) {
      setBusy(false);
      setFault(faultOf(error));
      field.current?.select();
    }
  };

  return html`
    <main class="gate">
      <form class="gate-card" onSubmit=${submit} autocomplete="off">
        <${AccountBadge} />
        <h1>Console</h1>
        <p class="muted">For operators and support: find a message, follow broadcasts, stop sending.</p>
        ${reason && html`<p class="note" role="status">${reason}</p>`}
        ${
          publicKey &&
          html`<button type="button" class="primary" disabled=${busy} onClick=${() => openWith(publicKey)}>Use the key of the sandbox</button>
            <p class="hint">It is public, and opens nothing else. Or take a key of yours:</p>`
        }
        <label for="key">Key</label>
        <input
          id="key" ref=${field} type="password" autocomplete="off" spellcheck="false" autocapitalize="off"
          data-1p-ignore="" data-lpignore="true" aria-describedby="key-hint key-fault" aria-invalid=${fault ? 'true' : 'false'}
        />
        <p id="key-fault" class="fault" role="alert">${fault}</p>
        <button type="submit" class=${publicKey ? '' : 'primary'} aria-busy=${busy} disabled=${busy}>${busy ? 'Asking' : 'Open'}</button>
        <p id="key-hint" class="hint">
          A key with the scope <code>operations:read</code>. It stays in the memory of this tab, and is forgotten on reload,
          by Lock, and after 15 minutes without use.
        </p>
      </form>
    </main>
  `;
}
