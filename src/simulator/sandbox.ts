import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Ledger } from './ledger.ts';

/** The simulator's own routes, without a key: they are no part of what is simulated. Answers whether it was one. */
export function sandboxRoute(
  request: IncomingMessage,
  response: ServerResponse,
  ledger: Ledger,
  reset: () => void,
): boolean {
  const url = new URL(request.url ?? '/', 'http://simulator');
  if (!url.pathname.startsWith('/_sandbox/')) return false;
  request.resume();
  const answer = (status: number, body: unknown) => {
    response.writeHead(status, { 'content-type': 'application/json; charset=utf-8' });
    response.end(JSON.stringify(body));
  };
  const route = `${request.method} ${url.pathname}`;
  if (route === 'GET /_sandbox/ledger') {
    const recipient = url.searchParams.get('recipient');
    const entries = ledger.entries.filter((entry) => recipient === null || entry.recipients.includes(recipient));
    answer(200, { data: entries });
  } else if (route === 'POST /_sandbox/reset') {
    reset();
    answer(200, { data: [] });
  } else answer(404, { error: `There is no ${route}` });
  return true;
}
