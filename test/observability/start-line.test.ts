import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { callerEntry, fixedCallers } from '../../src/callers.ts';
import { logStart } from '../../src/observability/start-line.ts';
import type { Ready } from '../../src/schemas/health.ts';

const fine: Ready = {
  status: 'ready',
  store: 'writable',
  gateway: 'reachable',
  key: 'accepted',
  connection: 'active',
};
const ofMaton = { MATON_GATEWAY_URL: 'https://gateway.maton.ai', MATON_CONTROL_URL: 'https://ctrl.maton.ai' };

/** The answers of the checks, one after the other; the last one stays. */
async function linesOf(states: Ready[], settings: object = {}, scopes = ['messages:send']) {
  const lines: Record<string, unknown>[] = [];
  const logger = pino({ base: null, timestamp: false }, { write: (line) => lines.push(JSON.parse(line)) });
  await logStart(logger, {
    version: '1.2.3',
    config: { ...ofMaton, STORE_URL: 'memory:', DOCS: 'on', ...settings },
    callers: fixedCallers([callerEntry('billing', 'key-of-billing-long-enough', { scopes })]),
    readiness: { check: async () => (states.length > 1 ? states.shift() : states[0]) ?? fine },
    origin: 'http://127.0.0.1:3000',
  });
  return lines;
}

describe('the log line of the start', () => {
  it('reports what runs, and that it can work', async () => {
    expect(await linesOf([fine])).toEqual([
      {
        level: 30,
        version: '1.2.3',
        store: 'memory, writable',
        callers: 1,
        gateway: 'reachable',
        key: 'accepted',
        connection: 'active',
        docs: 'http://127.0.0.1:3000/docs',
        msg: 'started, and ready',
      },
    ]);
  });

  it.each<[string, Partial<Ready>]>([
    ['a key that is refused', { status: 'not-ready', key: 'refused', connection: 'unknown' }],
    ['a gateway that cannot be reached', { gateway: 'unreachable', key: 'unknown', connection: 'unknown' }],
    ['no connection', { status: 'not-ready', connection: 'none' }],
    ['an only connection that is not the one of before', { connection: 'changed' }],
    ['a store that fails', { status: 'not-ready', store: 'failing' }],
  ])('warns of %s', async (_what, part) => {
    const { status: _, store, ...rest } = { ...fine, ...part };
    expect(await linesOf([{ ...fine, ...part }])).toMatchObject([
      { level: 40, store: `memory, ${store}`, ...rest, msg: expect.stringContaining('npm run check') },
    ]);
  });

  it.each([['*'], ['connections:write']])(
    'warns where %s may connect an account that becomes the only one',
    async (scope) => {
      const warning = { level: 40, setting: 'MATON_CONNECTION_ID', callers: ['billing'] };
      expect(await linesOf([fine], {}, [scope])).toMatchObject([warning, { msg: 'started, and ready' }]);
      expect(await linesOf([fine], { MATON_CONNECTION_ID: 'c-1' }, [scope])).toHaveLength(1);
    },
  );

  it('waits for a gateway that is only slow', async () => {
    const silent: Ready = { ...fine, gateway: 'unreachable', key: 'unknown', connection: 'unknown' };
    expect(await linesOf([silent, silent, fine])).toMatchObject([{ level: 30, key: 'accepted' }]);
  });

  it.each([
    ['file:data/a.db', 'SQLite, writable'],
    ['postgres://bff:pass-of-nobody@db/bff', 'PostgreSQL, writable'],
    ['postgresql://bff:pass-of-nobody@db/bff', 'PostgreSQL, writable'],
  ])('tells the kind of store of %s, and no more', async (url, store) => {
    const lines = await linesOf([fine], { STORE_URL: url, DOCS: 'off', MATON_CONNECTION_ID: 'one' });
    expect(lines).toMatchObject([{ store, docs: 'off', connectionId: 'one' }]);
    expect(JSON.stringify(lines)).not.toContain('pass-of-nobody');
  });

  it.each([
    ['MATON_GATEWAY_URL', 'https://gateway.maton.ai.example', 'gateway.maton.ai.example'],
    ['MATON_GATEWAY_URL', 'https://notmaton.ai', 'notmaton.ai'],
    ['MATON_GATEWAY_URL', 'http://127.0.0.1:3001', '127.0.0.1:3001'],
    ['MATON_CONTROL_URL', 'https://ctrl.mat0n.ai', 'ctrl.mat0n.ai'],
  ])('warns where %s is %s', async (setting, url, host) => {
    expect(await linesOf([fine], { [setting]: url })).toMatchObject([
      { level: 40, setting, host, msg: expect.stringContaining('is no host of Maton') },
      { level: 30 },
    ]);
  });

  it('accepts any host of Maton', async () => {
    expect(await linesOf([fine], { MATON_GATEWAY_URL: 'https://eu.gateway.maton.ai' })).toHaveLength(1);
  });
});
