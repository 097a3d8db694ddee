import { CallError } from './api.js';
import { useCallback, useEffect, useRef, useState } from './hooks.js';

/** @import { PhoneList, PhoneMessage, PhoneView } from '../simulator/phones.ts' */
/** @import { SendFault } from '../simulator/send-faults.ts' */

/** @typedef {PhoneView} Phone */
/** @typedef {PhoneMessage} Message */
/** @typedef {PhoneList['data'][number]} Chat */
/** @typedef {{ waiting: SendFault[] }} NextSends */

/**
 * Calls the sandbox's own routes, which need no key and which a real service does not have. Throws a CallError.
 * @template Answer
 * @param {string} path below /_sandbox/
 * @param {object} [body]
 * @param {AbortSignal} [signal]
 * @returns {Promise<Answer>}
 */
export async function sandbox(path, body, signal) {
  const answer = await fetch(`/_sandbox/${path}`, {
    ...(body && { method: 'POST', body: JSON.stringify(body) }),
    ...(signal && { signal }),
    cache: 'no-store',
    credentials: 'omit',
  }).catch((error) => {
    if (signal?.aborted) throw error;
    throw new CallError(0, { title: 'The sandbox does not answer. Is it still running?' });
  });
  const told = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new CallError(answer.status, { title: told.error });
  return told;
}

/**
 * Polls while the page is visible, and at once after `refresh`. Returns a new object only if the content has changed, to avoid
 * needless rendering.
 * @template Answer
 * @param {string} path
 * @param {number} everyMs
 * @returns {{ data: Answer | undefined, error: Error | undefined, refresh: () => void }}
 */
export function usePolled(path, everyMs) {
  const [state, setState] = useState(/** @type {{ path: string, data?: Answer, error?: Error }} */ ({ path }));
  const look = useRef(() => {});
  useEffect(() => {
    const stop = new AbortController();
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    let timer;
    let last = '';
    let turn = 0;
    const read = async () => {
      clearTimeout(timer);
      turn += 1;
      const own = turn;
      try {
        const data = /** @type {Answer} */ (await sandbox(path, undefined, stop.signal));
        const text = JSON.stringify(data);
        if (own === turn && text !== last) setState({ path, data });
        if (own === turn) last = text;
      } catch (error) {
        if (stop.signal.aborted) return;
        last = '';
        setState((before) => ({ ...(before.path === path && before), path, error: /** @type {Error} */ (error) }));
      }
      if (own === turn && !stop.signal.aborted) timer = setTimeout(read, document.hidden ? everyMs * 10 : everyMs);
    };
    const seen = () => !document.hidden && read();
    look.current = read;
    document.addEventListener('visibilitychange', seen);
    void read();
    return () => {
      stop.abort();
      clearTimeout(timer);
      document.removeEventListener('visibilitychange', seen);
    };
  }, [path, everyMs]);
  const refresh = useCallback(() => look.current(), []);
  return state.path === path
    ? { data: state.data, error: state.error, refresh }
    : { data: undefined, error: undefined, refresh };
}
