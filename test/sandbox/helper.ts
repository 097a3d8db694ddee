import { pino } from 'pino';
import { request } from 'undici';
import { onTestFinished } from 'vitest';
import { sandboxKey } from '../../src/callers/sandbox-key.ts';
import { startSandbox } from '../../src/sandbox/sandbox.ts';
import { isRecord, type Json } from '../support/json.ts';

type Options = [settings?: Record<string, string>, seed?: string, templatesFile?: string, webhooksUrl?: string];

/** A sandbox without a limit, closed after the test, and what another team does with it. */
export async function started(...options: Options) {
  const opened = await openSandbox(...options);
  onTestFinished(() => opened.sandbox.close());
  return opened;
}

/** The same, for several tests. */
export async function openSandbox(...[settings = {}, seed, templatesFile, webhooksUrl]: Options) {
  const environment = { PORT: '0', MATON_RATE_PER_SECOND: '100000', DOCS: 'off', ...settings };
  const sandbox = await startSandbox(environment, {
    seed,
    templatesFile,
    webhooksUrl,
    logger: () => pino({ level: 'silent' }),
  });

  const ask = async (method: string, url: string, json?: unknown, headers: Record<string, string> = {}) => {
    const answer = await request(new URL(url, sandbox.url), {
      method,
      headers: {
        authorization: `Bearer ${sandboxKey}`,
        ...(json !== undefined && { 'content-type': 'application/json' }),
        ...headers,
      },
      body: json === undefined ? null : JSON.stringify(json),
    });
    const body: unknown = await answer.body.json();
    if (!isRecord(body)) throw new Error(`${method} ${url} answers no object`);
    return { status: answer.statusCode, json: body, headers: answer.headers };
  };
  return {
    sandbox,
    ask,
    text: (to: string, text = 'Hello', headers: Record<string, string> = {}) =>
      ask('POST', '/v1/messages/text', { to, text }, headers),
    order: (to: string, headers: Record<string, string> = {}) =>
      ask('POST', '/v1/messages/template', { to, template: 'order_update', parameters }, headers),
    reset: (body?: unknown) => ask('POST', '/_sandbox/reset', body),
    advance: (advanceSeconds: number) => ask('POST', '/_sandbox/clock', { advanceSeconds }),
    ledger: async (query = '') => listOf((await ask('GET', `/_sandbox/ledger${query}`)).json),
    list: async (path: string) => listOf((await ask('GET', path)).json),
  };
}

export const parameters = { customer_name: 'Asha', order_id: 'A-1', order_status: 'shipped' };

function listOf({ data }: Json): Json[] {
  if (!Array.isArray(data) || !data.every(isRecord)) throw new Error('there is no list');
  return data;
}
