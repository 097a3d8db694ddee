import { authorization, isOpen, lock } from './session.js';

/** @typedef {Record<string, string | number | boolean | undefined>} Query */
/** @typedef {{ method?: string, query?: Query, body?: object, headers?: Record<string, string>, signal?: AbortSignal }} Ask */
/** @typedef {{ type?: string, title?: string, detail?: string, errors?: { pointer?: string, detail?: string }[] }} ProblemBody */

/** A response that is not a success, or no response at all. */
export class CallError extends Error {
  /**
   * @param {number} status 0: there was no response
   * @param {ProblemBody} body
   */
  constructor(status, body) {
    const { title = status === 0 ? 'The service does not answer' : `Status ${status}`, detail, errors = [] } = body;
    super([title, ...(detail ? [detail] : []), ...errors.map((each) => each.detail ?? '')].filter(Boolean).join(': '));
    this.status = status;
    this.title = title;
    /** The page that explains the problem, on this service. */
    this.page = /\/problems\/[a-z0-9-]+$/.exec(body.type ?? '')?.[0];
  }

  get isForbidden() {
    return this.status === 403;
  }
}

/**
 * @param {string} path
 * @param {Query} [query]
 */
function addressOf(path, query = {}) {
  // Never leaves this origin, whatever the path contains.
  const url = new URL(path, location.origin);
  if (url.origin !== location.origin) throw new Error('the console calls its own service alone');
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== '') url.searchParams.set(name, String(value));
  }
  return url;
}

/**
 * Calls the service with the key. Throws a CallError unless the call succeeds. A refused key locks the console.
 * @param {string} path
 * @param {Ask} [ask]
 * @returns {Promise<Response>}
 */
export async function call(path, { method = 'GET', query, body, headers = {}, signal } = {}) {
  const sent = authorization();
  const answer = await fetch(addressOf(path, query), {
    method,
    headers: { authorization: sent, ...(body && { 'content-type': 'application/json' }), ...headers },
    ...(body && { body: JSON.stringify(body) }),
    ...(signal && { signal }),
    cache: 'no-store',
    credentials: 'omit',
    redirect: 'error',
    referrerPolicy: 'no-referrer',
  }).catch((error) => {
    if (signal?.aborted) throw error;
    throw new CallError(0, { detail: 'look whether you are still connected' });
  });
  if (answer.ok) return answer;
  if (answer.status === 401 && isOpen.get() && sent === authorization()) lock('The key is not accepted any more.');
  throw new CallError(answer.status, await answer.json().catch(() => ({})));
}

/**
 * The same, and parses the JSON of the response.
 * @template Answer
 * @param {string} path
 * @param {Ask} [ask]
 * @returns {Promise<Answer>}
 */
export async function callJson(path, ask) {
  return (await call(path, ask)).json();
}

/** Returns a new idempotency key, so that a repeated request takes effect only once. */
export const newIdempotencyKey = () =>
  `console-${Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16).padStart(2, '0')).join('')}`;
