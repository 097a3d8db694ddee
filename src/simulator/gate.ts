import type { IncomingMessage } from 'node:http';
import type { Answer } from './call.ts';
import { usableConnection } from './connections.ts';
import type { PlanWindows, SlidingWindow } from './limits.ts';
import type { Host, Operation } from './operations.ts';
import { htmlPage } from './pages.ts';
import type { Settings, Tenant } from './state.ts';

export interface GateState {
  readonly key: string;
  readonly tenant: Tenant;
  readonly account: SlidingWindow;
  readonly plans: PlanWindows;
}

/** Cloudflare's list is not public; these are the defaults of HTTP libraries. */
const libraryAgents = /^(undici|node|python-urllib|python-requests|aiohttp|axios|node-fetch|go-http-client|java)\b/i;

export function authorizationOf(request: IncomingMessage, key: string): 'ok' | 'wrong' | 'missing' {
  const given = request.headers.authorization;
  if (given === undefined) return 'missing';
  return given === `Bearer ${key}` ? 'ok' : 'wrong';
}

/** All checks that can refuse a request before WATI evaluates it, in the order of the real servers. */
export function gate(
  state: GateState,
  { host, request, operation }: { host: Host; request: IncomingMessage; operation: Operation | undefined },
): Answer | undefined {
  const { tenant } = state;
  const { settings } = tenant;
  if (authorizationOf(request, state.key) !== 'ok' || settings.matonKey === 'revoked') {
    return matonError(settings, 401, 'Invalid or missing API key');
  }
  // Per account, over both hosts, whatever the path.
  if (!state.account.take(performance.now())) {
    const headers = settings.retryAfter === undefined ? {} : { 'retry-after': settings.retryAfter };
    return { ...matonError(settings, 429, 'Rate limit exceeded'), headers };
  }
  if (host === 'control') return operation ? undefined : matonError(settings, 404, 'Not found');
  if (!request.url?.startsWith('/wati/')) return matonError(settings, 404, 'Invalid app name');
  const named = request.headers['maton-connection'];
  const connection = usableConnection(tenant, Array.isArray(named) ? named[0] : named);
  if (!connection) return matonError(settings, 400, 'No active connection found for app wati');
  if (connection.expired) return matonError(settings, 500, 'Internal server error');

  if (libraryAgents.test(request.headers['user-agent'] || 'node')) {
    return { status: 403, body: htmlPage('Attention Required! | Cloudflare'), acted: false };
  }
  if (settings.watiToken === 'revoked') return { status: 401, acted: false };
  if (!operation) return { status: 404, acted: false };
  if (!state.plans.take(settings.plan, operation, performance.now())) {
    return { status: 429, body: { message: 'Too many requests' }, acted: false };
  }
  return undefined;
}

function matonError(settings: Settings, status: number, text: string): Answer {
  return { status, acted: false, ...matonBody(settings.matonErrors, text) };
}

function matonBody(shape: Settings['matonErrors'], text: string): Pick<Answer, 'body' | 'contentType'> {
  if (shape === 'empty') return {};
  if (shape === 'html') return { body: htmlPage(text) };
  if (shape === 'text') return { body: text, contentType: 'text/plain; charset=utf-8' };
  return { body: { [shape]: text }, contentType: 'application/json' };
}
