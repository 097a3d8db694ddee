import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { ConfigError, loadConfig } from '../../src/config.ts';

const folder = mkdtempSync(join(tmpdir(), 'wati-bff-config-'));
afterAll(() => rmSync(folder, { recursive: true }));
const fileWith = (name: string, text: string) => {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
};

const secret = 'maton-key-of-this-test';
const minimal = { MATON_API_KEY: secret, CLIENTS_FILE: 'clients.json' };

function faultsOf(environment: Record<string, string | undefined>): readonly string[] {
  try {
    loadConfig(environment);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    for (const value of Object.values(environment))
      if (value?.includes('secret')) expect(error.message).not.toContain(value);
    expect(error.message).not.toContain(secret);
    expect(error.message).toContain(error.faults.join('\n  - '));
    return error.faults;
  }
  return [];
}

describe('the settings', () => {
  it('accept an address of the service only as a URL, and use it unchanged in problems', () => {
    const refused = [
      'a:b',
      'a:99999',
      '999.1.1.1',
      '[::1',
      '::1',
      '[::g]',
      ':443',
      'a]',
      'user@a',
      'a?b',
      'a#b',
      'a b',
    ];
    for (const host of refused) {
      const faults = faultsOf({ ...minimal, PUBLIC_URL: `https://${host}` });
      expect(faults, host).toEqual([expect.stringMatching(/^PUBLIC_URL (is not a URL|must be an address)/)]);
    }
    for (const host of ['a', 'a.example.', 'a.example:8443/bff/', '[::1]:3000', '10.1.2.3']) {
      expect(faultsOf({ ...minimal, PUBLIC_URL: `https://${host}` }), host).toEqual([]);
    }
  });

  it('have the defaults of the contract', () => {
    const config = loadConfig(minimal);
    expect(config).toMatchObject({
      MATON_API_KEY: secret,
      MATON_GATEWAY_URL: 'https://gateway.maton.ai',
      MATON_CONTROL_URL: 'https://ctrl.maton.ai',
      HOST: '127.0.0.1',
      PORT: 3000,
      SEND_WAIT_MS: 15_000,
      UPSTREAM_TIMEOUT_MS: 20_000,
      UPLOAD_TIMEOUT_MS: 120_000,
      DRAIN_DELAY_MS: 5_000,
      SHUTDOWN_TIMEOUT_MS: 25_000,
      DOCS: 'on',
      ADMIN_HOST: '127.0.0.1',
      NATIVE_PATHS: [],
      LOG_LEVEL: 'info',
    });
    expect(config).not.toHaveProperty('MATON_CONNECTION_ID');
    expect(config).not.toHaveProperty('MATON_API_KEY_FILE');
    expect(Object.isFrozen(config)).toBe(true);
  });

  it('let calls grow to a thousand messages, unless they say how many there may be', () => {
    const { GROUP_BOUNDS } = loadConfig(minimal);
    expect(GROUP_BOUNDS.urgent).toEqual({ start: 50, max: 1_000 });
    expect(GROUP_BOUNDS.broadcast).toEqual({ start: 200, max: 1_000 });
    expect(loadConfig({ ...minimal, GROUP_MAX_BROADCAST: '100' }).GROUP_BOUNDS).toEqual({
      ...GROUP_BOUNDS,
      broadcast: { start: 100, max: 100 },
    });
    expect(loadConfig({ ...minimal, GROUP_MAX_BROADCAST: '20', GROUP_GROWS_TO: '100' }).GROUP_BOUNDS).toEqual({
      urgent: { start: 50, max: 100 },
      interactive: { start: 100, max: 100 },
      broadcast: { start: 20, max: 100 },
    });
    expect(faultsOf({ ...minimal, GROUP_GROWS_TO: '1001' })).toHaveLength(1);
  });

  it('treat an empty variable as one that is not set', () => {
    expect(loadConfig({ ...minimal, MATON_CONNECTION_ID: '', MATON_API_KEY_FILE: '', PORT: '' }).PORT).toBe(3000);
    expect(faultsOf({ ...minimal, CLIENTS_FILE: '' })).toEqual(['CLIENTS_FILE is required and not set']);
  });

  it('are refused with every fault at once, and without their values', () => {
    const faults = faultsOf({
      MATON_GATEWAY_URL: 'http://secret.example.com',
      MATON_CONTROL_URL: 'secret nonsense',
      PORT: 'secret-port',
      DOCS: 'secret-docs',
      LOG_LEVEL: 'secret-loud',
      MATON_CONNECTION_ID: 'secret with spaces',
      WATI_CHANNEL_NUMBER: 'secret+49',
      SEND_WAIT_MS: '-1',
      NODE_TLS_REJECT_UNAUTHORIZED: '0',
    });
    const named = faults.map((fault) => fault.split(/[ =:]/, 1)[0]).sort();
    expect(named).toEqual([
      'CLIENTS_FILE',
      'DOCS',
      'LOG_LEVEL',
      'MATON_API_KEY',
      'MATON_CONNECTION_ID',
      'MATON_CONTROL_URL',
      'MATON_GATEWAY_URL',
      'NODE_TLS_REJECT_UNAUTHORIZED',
      'PORT',
      'SEND_WAIT_MS',
      'WATI_CHANNEL_NUMBER',
    ]); // prettier-ignore
  });

  it.each([
    ['PORT', ['-1', '65536', '1.5', 'abc', 'Infinity', '1e400']],
    ['SEND_WAIT_MS', ['0', '3600001', 'abc', 'Infinity']],
    ['TEXT_URL_MAX_BYTES', ['1023', '65537']],
    ['DOCS', ['true', 'ON', 'no']],
    ['LOG_LEVEL', ['verbose', 'INFO']],
    ['MATON_CONNECTION_ID', ['a b', 'a\nb', 'é', 'x'.repeat(513)]],
    ['WATI_CHANNEL_NUMBER', ['+14155551000', '0155', 'abc']],
  ])('refuse a wrong %s', (name, values) => {
    for (const value of values) {
      const faults = faultsOf({ ...minimal, [name]: value });
      expect(faults, value).toHaveLength(1);
      expect(faults[0], value).toContain(name);
    }
  });

  it.each([
    [{ DRAIN_DELAY_MS: '25000' }, 1],
    [{ SHUTDOWN_TIMEOUT_MS: '5000' }, 1],
    [{ DRAIN_DELAY_MS: '0', SHUTDOWN_TIMEOUT_MS: '1' }, 0],
    [{ DRAIN_DELAY_MS: '-1' }, 1],
  ])('leave time to end after the delay: %o', (settings, count) => {
    const faults = faultsOf({ ...minimal, ...settings });
    expect(faults).toHaveLength(count);
    for (const fault of faults) expect(fault).toContain('DRAIN_DELAY_MS');
  });

  it.each(['http', 'undici,net', '*'])('let NODE_DEBUG=%s never pass', (value) => {
    expect(faultsOf({ ...minimal, NODE_DEBUG: value })).toEqual([expect.stringContaining('NODE_DEBUG')]);
  });

  it.each([
    '--inspect',
    '--inspect-brk=0.0.0.0:9229',
    '--max-old-space-size=200 --report-on-signal',
    '--heapsnapshot-signal=SIGUSR2',
    '--tls-keylog=/tmp/keys',
    '--insecure-http-parser',
    '--insecure_http_parser',
    '--tls-min-v1.0',
    '--cpu-prof',
    '"--inspect"',
  ])('let NODE_OPTIONS=%s never pass', (value) => {
    expect(faultsOf({ ...minimal, NODE_OPTIONS: value })).toEqual([expect.stringContaining('NODE_OPTIONS has --')]);
  });

  it.each([
    [{ MATON_API_KEYY: 'x' }, 'MATON_API_KEYY is not a setting; did you mean MATON_API_KEY?'],
    [{ CLIENT_FILE: 'x' }, 'CLIENT_FILE is not a setting; did you mean CLIENTS_FILE?'],
    [{ UPLOAD_SOMETHING: 'x' }, 'UPLOAD_SOMETHING is not a setting'],
    [{ MATON_API_KEY: 'short' }, 'MATON_API_KEY is too short to be a key: it has fewer than 16 characters'],
  ])('refuse %o', (settings, fault) => expect(faultsOf({ ...minimal, ...settings })).toEqual([fault]));

  it('let settings of other programs pass', () => {
    const others = {
      WATI_BFF_SERVICE_HOST: '10.0.0.1',
      WATI_BFF_PORT_3000_TCP_ADDR: 'x',
      HOSTNAME: 'a',
      LOG_DIR: 'b',
      PATH: 'c',
    };
    expect(faultsOf({ ...minimal, ...others })).toEqual([]);
    expect(() => loadConfig(minimal, ['--inspect_brk'])).toThrow(/node was started with --inspect-brk/);
  });

  it('let harmless options of Node pass', () => {
    expect(
      faultsOf({ ...minimal, NODE_DEBUG: '', NODE_OPTIONS: '--max-old-space-size=200 --disable-sigusr1' }),
    ).toEqual([]);
  });

  it.each([undefined, '1', ''])('let NODE_TLS_REJECT_UNAUTHORIZED=%s pass, and never 0', (value) => {
    expect(faultsOf({ ...minimal, NODE_TLS_REJECT_UNAUTHORIZED: value })).toEqual([]);
    expect(faultsOf({ ...minimal, NODE_TLS_REJECT_UNAUTHORIZED: '0' })).toHaveLength(1);
  });
});

describe('the Maton key', () => {
  const fromFile = (text: string) => ({ CLIENTS_FILE: 'x', MATON_API_KEY_FILE: fileWith('key', text) });

  it('is read from a file, its line end left out', () => {
    expect(loadConfig(fromFile(`${secret}\n`)).MATON_API_KEY).toBe(secret);
    expect(loadConfig(fromFile(` ${secret}\r\n`)).MATON_API_KEY).toBe(secret);
  });

  it.each([
    ['both are set', { ...minimal, MATON_API_KEY_FILE: fileWith('both', secret) }, 'both set'],
    ['the file does not exist', { CLIENTS_FILE: 'x', MATON_API_KEY_FILE: join(folder, 'secret-nowhere') }, 'ENOENT'],
    ['the file is a folder', { CLIENTS_FILE: 'x', MATON_API_KEY_FILE: folder }, 'EISDIR'],
    ['the file is empty', { CLIENTS_FILE: 'x', MATON_API_KEY_FILE: fileWith('empty', ' \n') }, 'is empty'],
    ['neither is set', { CLIENTS_FILE: 'x' }, 'npm run sandbox'],
    ['it has a space', { CLIENTS_FILE: 'x', MATON_API_KEY: 'secret with space' }, 'cannot stand in a header'],
    ['it has a line break', { CLIENTS_FILE: 'x', MATON_API_KEY: 'secret\nX-Injected: 1' }, 'cannot stand in a header'],
    ['it is not ASCII', { CLIENTS_FILE: 'x', MATON_API_KEY: 'secret-é' }, 'cannot stand in a header'],
    [
      'its file has two lines',
      { CLIENTS_FILE: 'x', MATON_API_KEY_FILE: fileWith('two', 'secret\nline') },
      'in a header',
    ],
  ])('is refused where %s', (_what, environment, words) => {
    const faults = faultsOf(environment);
    expect(faults).toHaveLength(1);
    expect(faults[0]).toContain(words);
  });
});

describe('the addresses of Maton', () => {
  const names = ['MATON_GATEWAY_URL', 'MATON_CONTROL_URL'];

  it.each([
    'https://gateway.maton.ai',
    'https://gateway.maton.ai:8443',
    'http://127.0.0.1:4000',
    'http://127.8.9.1',
    'http://localhost:1',
    'http://[::1]:4000',
    'https://127.0.0.1',
  ])('may be %s', (url) => {
    for (const name of names) expect(faultsOf({ ...minimal, [name]: url }), name).toEqual([]);
  });

  it.each([
    'http://gateway.maton.ai',
    'http://localhost.example.com',
    'http://127.0.0.1.example.com',
    'http://0.0.0.0:1',
    'http://[::ffff:1.2.3.4]',
    'ftp://127.0.0.1',
    'gateway.maton.ai',
    'file:///etc/passwd',
    'https://user:secret@host.example',
    'https://host.example/path',
    'https://host.example/?key=secret',
    'https://host.example/#x',
    '://',
  ])('may not be %s', (url) => {
    for (const name of names) {
      const faults = faultsOf({ ...minimal, [name]: url });
      expect(faults, name).toHaveLength(1);
      expect(faults[0]).toMatch(new RegExp(`^${name} `));
    }
  });
});

describe('NATIVE_PATHS', () => {
  it('names methods and paths, with placeholders', () => {
    const { NATIVE_PATHS } = loadConfig({ ...minimal, NATIVE_PATHS: 'GET /api/v1/chatbots, POST /api/v1/x/{id}/y ,' });
    expect(NATIVE_PATHS).toEqual([
      { method: 'GET', segments: ['api', 'v1', 'chatbots'] },
      { method: 'POST', segments: ['api', 'v1', 'x', undefined, 'y'] },
    ]);
  });

  it.each([
    '/api/v1/chatbots',
    'get /api/v1/x',
    'HEAD /api/v1/x',
    'GET  /api/v1/x',
    'GET api/v1/x',
    'GET /wati/api/v1/x',
    'GET /api',
    'GET /api/',
    'GET /api/../x',
    'GET /api/.x',
    'GET /api/v1/%2e',
    'GET /api/v1//x',
    'GET /api/v1/x?y=1',
    'GET /api/v1/*',
    'GET /api/v1/{}',
    'GET /api/v1/{a',
  ])('is refused with %s', (entry) =>
    expect(faultsOf({ ...minimal, NATIVE_PATHS: `GET /api/v1/ok,${entry}` })).toHaveLength(1),
  );

  it.each(['rotateToken', 'rotatetoken', 'ROTATETOKEN', 'RotateToken'])('can never name %s', (name) => {
    for (const path of [`/api/v1/${name}`, `/api/v1/x/${name}`, `/api/${name}/x`, `/api/v2/${name}`])
      expect(faultsOf({ ...minimal, NATIVE_PATHS: `POST ${path}` })[0], path).toContain(
        'rotateToken can never be named',
      );
  });
});

describe('the settings of the public listener', () => {
  const intake = { ...minimal, INTAKE_PORT: '3002', INTAKE_TOKENS_FILE: 'tokens.json' };

  it('leave it out by default, and have the defaults of the contract with a port', () => {
    expect(loadConfig(minimal)).not.toHaveProperty('INTAKE_PORT');
    expect(loadConfig(intake)).toMatchObject({
      INTAKE_PORT: 3002,
      INTAKE_HOST: '127.0.0.1',
      INTAKE_MAX_BYTES: 1_048_576,
      INTAKE_IN_FLIGHT_MAX: 500,
      INTAKE_WAIT_MS: 5_000,
      INTAKE_DEDUPE_DAYS: 3,
    });
    const remote = { STORE_URL: 'postgres://localhost/a', INTAKE_SPOOL: 'file:data/spool.db' };
    expect(faultsOf({ ...intake, ...remote, INTAKE_PUBLIC_URL: 'https://a.example/hooks/' })).toEqual([]);
    expect(faultsOf({ ...intake, INTAKE_PUBLIC_URL: 'http://127.0.0.1:3002' })).toEqual([]);
    // Each takes a free one.
    expect(faultsOf({ ...intake, INTAKE_PORT: '0', PORT: '0', ADMIN_PORT: '0' })).toEqual([]);
  });

  it.each<[Record<string, string>, RegExp]>([
    [{ PORT: '3002' }, /^INTAKE_PORT is that of PORT/],
    [{ INTAKE_PORT: '3000' }, /^INTAKE_PORT is that of PORT/],
    [{ ADMIN_PORT: '3002' }, /^INTAKE_PORT is that of ADMIN_PORT/],
    [{ INTAKE_TOKENS_FILE: '' }, /^INTAKE_TOKENS_FILE is required with INTAKE_PORT/],
    [{ INTAKE_PORT: '' }, /^INTAKE_TOKENS_FILE is set without INTAKE_PORT/],
    [{ INTAKE_SPOOL: 'file:a.db' }, /^INTAKE_SPOOL is for a STORE_URL on PostgreSQL/],
    [{ INTAKE_SPOOL: 'postgres://secret' }, /^INTAKE_SPOOL must be `file:<path>`/],
    [{ INTAKE_PUBLIC_URL: 'http://hooks.example.com' }, /^INTAKE_PUBLIC_URL must be https/],
    [{ INTAKE_PUBLIC_URL: 'https://a.example/?token=secret' }, /^INTAKE_PUBLIC_URL must be an address such as/],
    [{ INTAKE_MAX_BYTES: '1e400' }, /^INTAKE_MAX_BYTES must be/],
    [{ INTAKE_WAIT_MS: '60000' }, /^INTAKE_WAIT_MS must be a whole number from 1 to 20000/],
    [{ INTAKE_TOKEN_FILE: 'secret' }, /^INTAKE_TOKEN_FILE is not a setting; did you mean INTAKE_TOKENS_FILE\?/],
  ])('are refused with %o', (wrong, words) => {
    expect(faultsOf({ ...intake, ...wrong })).toEqual([expect.stringMatching(words)]);
  });

  it('report all faults at once', () => {
    expect(
      faultsOf({ ...minimal, INTAKE_PORT: '3000', INTAKE_SPOOL: 'file:a.db', INTAKE_PUBLIC_URL: 'http://a.example' }),
    ).toHaveLength(4);
  });
});
