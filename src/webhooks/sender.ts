import type { Agent, Dispatcher } from 'undici';
import { toError } from '../lib/to-error.ts';
import type { StoredEndpoint } from '../store/webhook-endpoint-store.ts';
import { describeFailure } from './describe-failure.ts';
import { type Destinations, UrlRefused, type UrlRule } from './destination.ts';
import { retryAfterMs } from './retry-after.ts';
import type { EndpointSecrets } from './secret.ts';
import { signatureHeaders } from './sign.ts';

export interface SendResult {
  /** HTTP status of the response; absent: there was no response. */
  status?: number;
  durationMs: number;
  /** How long the receiver asked not to be called, in ms; at most an hour. */
  retryAfterMs?: number;
  /** Why the attempt failed, for the caller; absent: it was delivered. */
  error?: string;
  /** The rule that forbids the address; the event was not sent. */
  refused?: UrlRule;
}

export interface WebhookSender {
  /** Makes one attempt. Never rejects. */
  send(
    endpoint: StoredEndpoint,
    event: { id: string; text: string },
    attempt: number,
    signal: AbortSignal,
  ): Promise<SendResult>;
  /** Waits for attempts in flight, which end at their deadline. */
  close(): Promise<void>;
}

export interface SenderOptions {
  secrets: EndpointSecrets;
  destinations: Destinations;
  agent: Agent;
  version: string;
  timeoutMs: number;
  /** Wall clock of the service in ms; a sandbox can move it. */
  now: () => number;
  /** Wall clock of receivers in ms, which they compare with the signature's time. */
  receiversNow: () => number;
}

/** Bytes of a response that are read. */
const bodyBytesMax = 64 * 1024;

/** Sends events to endpoints, each signed with every current secret of its endpoint. */
export function createWebhookSender(options: SenderOptions): WebhookSender {
  const { secrets, destinations, agent, version, timeoutMs, now, receiversNow } = options;
  const underWay = new Set<Promise<unknown>>();

  async function attempt(request: Dispatcher.RequestOptions & { origin: string }, signal: AbortSignal) {
    const ending = new AbortController();
    const giveUp = () => ending.abort();
    signal.addEventListener('abort', giveUp);
    const until = performance.now() + timeoutMs;
    let timer = setTimeout(() => ending.abort(new LateError(timeoutMs)), timeoutMs);
    try {
      if (signal.aborted) giveUp();
      const answer = await agent.request({ ...request, signal: ending.signal });
      clearTimeout(timer);
      timer = setTimeout(giveUp, Math.min(bodyMs, until - performance.now()));
      // The content does not matter; reading it lets the connection be reused. A failure changes nothing.
      answer.body.on('error', () => {});
      await answer.body.dump({ limit: bodyBytesMax, signal: ending.signal }).catch(() => {});
      return answer;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', giveUp);
    }
  }

  async function send(...[endpoint, event, number, signal]: Parameters<WebhookSender['send']>): Promise<SendResult> {
    const started = performance.now();
    const took = () => ({ durationMs: Math.round(performance.now() - started) });
    try {
      const url = destinations.parse(endpoint.url);
      if (!url) return { ...took(), error: 'its address is no URL' };
      const signing = secrets.inForce(endpoint, now());
      if (signing.length === 0) return { ...took(), error: 'the service has no key to sign with (EVENTS_SIGNING_KEY)' };
      const request = {
        origin: url.origin,
        path: `${url.pathname}${url.search}`,
        method: 'POST' as const,
        headers: {
          'content-type': 'application/json',
          'user-agent': `wati-bff/${version}`,
          'wati-bff-attempt': String(number),
          ...signatureHeaders(signing, { ...event, atMs: receiversNow() }),
        },
        body: event.text,
      };
      const { statusCode: status, headers } = await attempt(request, signal);
      return { ...took(), ...resultOf(status, retryAfterMs(headers['retry-after'], receiversNow())) };
    } catch (thrown) {
      const error = toError(thrown);
      const refused = error instanceof UrlRefused && error.rule !== 'name' ? { refused: error.rule } : {};
      return { ...took(), ...refused, error: describeFailure(error) };
    }
  }

  return {
    send: (...of) => {
      const sent = send(...of);
      underWay.add(sent);
      void sent.finally(() => underWay.delete(sent));
      return sent;
    },
    close: async () => {
      await Promise.allSettled(underWay);
      await agent.destroy();
    },
  };
}

/** Time limit for the rest of a response whose status is known. */
const bodyMs = 2_000;

function resultOf(status: number, restMs: number | undefined): Pick<SendResult, 'status' | 'retryAfterMs' | 'error'> {
  if (status >= 200 && status < 300) return { status };
  const rest = restMs === undefined ? {} : { retryAfterMs: restMs };
  const redirected = status >= 300 && status < 400;
  return {
    status,
    ...rest,
    error: redirected ? `answered ${status}: redirects are not followed` : `answered ${status}`,
  };
}

/** No response before the attempt's deadline. */
class LateError extends Error {
  override readonly name = 'LateError';

  constructor(ms: number) {
    super(`no answer within ${ms / 1000} s`);
  }
}
