import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, expect, it } from 'vitest';
import { checkIntake } from '../../src/intake/check-intake.ts';
import { createLogger } from '../../src/observability/logger.ts';
import { freePort } from '../crash/service.ts';
import { connectionId, entryOf, startDoor, token } from './door.ts';

const folder = mkdtempSync(join(tmpdir(), 'wati-bff-check-intake-'));
afterAll(() => rmSync(folder, { recursive: true }));
const file = join(folder, 'tokens.json');
writeFileSync(file, JSON.stringify([entryOf('acme', token)]));

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

const configured = async (
  more: { INTAKE_PORT?: number; INTAKE_PUBLIC_URL?: string; INTAKE_TOKENS_FILE?: string } = {},
) => ({
  INTAKE_HOST: '127.0.0.1',
  INTAKE_PORT: await freePort(),
  INTAKE_TOKENS_FILE: file,
  INTAKE_MAX_BYTES: 1_048_576,
  INTAKE_IN_FLIGHT_MAX: 500,
  INTAKE_WAIT_MS: 1_000,
  ...more,
});
const means = { ask: fetch, logger: createLogger('silent', [], { write: () => {} }) };
const textOf = (finding: Awaited<ReturnType<typeof checkIntake>>) =>
  'fine' in finding ? { fine: finding.fine.split('\n') } : { fault: finding.fault };

/** Something else at the public name. */
async function another(listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  closing.push(() => server.close().closeAllConnections());
  const address = server.address();
  return `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`;
}

it('posts a probe to the public name if the port is free, and checks that it arrives', async () => {
  const port = await freePort();
  const config = await configured({ INTAKE_PORT: port, INTAKE_PUBLIC_URL: `http://127.0.0.1:${port}/` });
  expect(textOf(await checkIntake(config, [connectionId], means))).toEqual({
    fine: [`1 entry in ${file}`, `port ${port} is free`, `an event posted to http://127.0.0.1:${port}/ came in here`],
  });
  const { INTAKE_PUBLIC_URL: _, ...without } = config;
  expect(textOf(await checkIntake(without, undefined, means))).toEqual({
    fine: [
      `1 entry in ${file}`,
      `port ${port} is free`,
      'INTAKE_PUBLIC_URL is not set: the way from outside was not tried',
    ],
  });
});

it('checks how a running service refuses a wrong token, because the valid ones are unknown', async () => {
  const { url, intake, memory } = await startDoor();
  closing.push(intake.close);
  const config = await configured({ INTAKE_PORT: Number(new URL(url).port), INTAKE_PUBLIC_URL: url });
  expect(textOf(await checkIntake(config, [connectionId], means))).toEqual({
    fine: [
      `1 entry in ${file}`,
      expect.stringMatching(/is in use, by a running service it seems$/),
      expect.stringMatching(/^the listener answers at/),
    ],
  });
  expect(memory.asked()).toBe(0);
});

it.each<[string, RequestListener, RegExp]>([
  [
    'a proxy without anything behind it',
    (_, response) => response.writeHead(502).end(),
    /does not lead here: 502, and nothing came in/,
  ],
  ['a page that takes everything', (_, response) => response.end('{}'), /does not lead here: 200, and nothing came in/],
  [
    'a way to another place',
    (_, response) => response.writeHead(302, { location: '/wati' }).end(),
    /does not lead here: 302/,
  ],
  ['a server that hangs up', (request) => request.destroy(), /does not lead here: (ECONNRESET|UND_ERR_SOCKET)/],
])('says that the public name leads elsewhere: to %s', async (_name, listener, words) => {
  const config = await configured({ INTAKE_PUBLIC_URL: await another(listener) });
  expect(textOf(await checkIntake(config, undefined, means))).toEqual({ fault: expect.stringMatching(words) });
  const taken = await another((_, response) => response.end());
  const running = { ...config, INTAKE_PORT: Number(new URL(taken).port) };
  expect(textOf(await checkIntake(running, undefined, means))).toEqual({
    fault: expect.stringMatching(/does not lead here: /),
  });
});

it('reports that the public name leads to the callers’ port as well', async () => {
  const { url, intake } = await startDoor();
  closing.push(intake.close);
  const both = await another(async (request, response) => {
    if (request.url === '/health/live') return response.end('{"status":"live"}');
    const answer = await fetch(`${url}${request.url}`);
    return response.writeHead(answer.status, [...answer.headers].flat()).end();
  });
  const config = await configured({ INTAKE_PORT: Number(new URL(url).port), INTAKE_PUBLIC_URL: both });
  expect(textOf(await checkIntake(config, undefined, means))).toEqual({
    fault: expect.stringMatching(/answers \/health\/live/),
  });
});

it('reports faults of the file, and connections that Maton does not know', async () => {
  expect(textOf(await checkIntake(await configured(), ['another'], means))).toEqual({
    fault: `Maton knows no connection of acme (${connectionId})`,
  });
  const none = join(folder, 'none.json');
  expect(textOf(await checkIntake(await configured({ INTAKE_TOKENS_FILE: none }), [], means))).toEqual({
    fault: `${none}: ENOENT`,
  });
  const empty = join(folder, 'empty.json');
  writeFileSync(empty, '[]');
  const found = textOf(await checkIntake(await configured({ INTAKE_TOKENS_FILE: empty }), [], means));
  expect(found).toEqual({ fine: expect.arrayContaining([expect.stringMatching(/^0 entries in .*; nobody can post/)]) });
  writeFileSync(empty, '{}');
  expect(textOf(await checkIntake(await configured({ INTAKE_TOKENS_FILE: empty }), [], means))).toEqual({
    fault: `${empty}: it must be a list [...] of entries {...}`,
  });
});
