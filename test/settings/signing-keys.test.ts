import { randomBytes } from 'node:crypto';
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { followSigningKeys, hideSecrets } from '../../src/bin/followed-secrets.ts';
import { ConfigError, loadConfig } from '../../src/config.ts';
import { createLogger } from '../../src/observability/logger.ts';
import { otherSigningKey, signingKey } from '../webhooks/samples.ts';

const folder = mkdtempSync(join(tmpdir(), 'wati-bff-signing-'));
afterAll(() => rmSync(folder, { recursive: true }));
afterEach(() => void vi.unstubAllEnvs());

const required = { MATON_API_KEY: 'a-maton-key-of-this-test', CLIENTS_FILE: 'none' };
const load = (settings: Record<string, string>) => loadConfig({ ...required, ...settings });
const faultsOf = (settings: Record<string, string>): readonly string[] => {
  try {
    load(settings);
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.faults;
    throw error;
  }
};
const third = randomBytes(48).toString('base64');

describe('EVENTS_SIGNING_KEY', () => {
  it.each([
    [signingKey, [signingKey]],
    [signingKey.replace('=', ''), [signingKey.replace('=', '')]],
    [`${otherSigningKey},${signingKey}`, [otherSigningKey, signingKey]],
    [` ${otherSigningKey} , ${third} `, [otherSigningKey, third]],
  ])('is read: %s', (text, keys) => expect(load({ EVENTS_SIGNING_KEY: text }).EVENTS_SIGNING_KEYS).toEqual(keys));

  it('is read from its file, a key a line', () => {
    const path = join(folder, 'keys');
    writeFileSync(path, `\uFEFF${otherSigningKey}\r\n\n${signingKey}\n`);
    expect(load({ EVENTS_SIGNING_KEY_FILE: path }).EVENTS_SIGNING_KEYS).toEqual([otherSigningKey, signingKey]);
  });

  it('may be absent', () => expect(load({}).EVENTS_SIGNING_KEYS).toEqual([]));

  it.each([
    ['secret', 'is not base64'],
    [randomBytes(31).toString('base64'), 'has fewer than 32 bytes'],
    [Buffer.alloc(32, 7).toString('base64'), 'is not random'],
    [`${signingKey}!`, 'is not base64'],
    [`${signingKey.slice(0, 20)} ${signingKey.slice(20)}`, 'is not base64'],
    [signingKey.replaceAll('/', '_').replace(/^./, '-'), 'is not base64'],
    [`whsec_${signingKey}`, 'is not base64'],
    [`${signingKey},${signingKey.replace('=', '')}`, 'has the same key twice'],
    [`${signingKey},${otherSigningKey},${third}`, 'has more than 2 lines'],
    [`${signingKey},short`, 'line 2 is not base64'],
    [',', 'is empty'],
  ])('%s is a fault at the start, and is not quoted', (text, fault) => {
    const faults = faultsOf({ EVENTS_SIGNING_KEY: text });
    expect(faults).toEqual([expect.stringContaining(`EVENTS_SIGNING_KEY ${fault}`)]);
    for (const word of text.split(',').filter(({ length }) => length > 6)) expect(faults[0]).not.toContain(word);
  });

  it('is set in one way only', () => {
    expect(faultsOf({ EVENTS_SIGNING_KEY: signingKey, EVENTS_SIGNING_KEY_FILE: 'x' })).toEqual([
      'EVENTS_SIGNING_KEY and EVENTS_SIGNING_KEY_FILE are both set; keep one',
    ]);
    expect(faultsOf({ EVENTS_SIGNING_KEY_FILE: join(folder, 'nowhere') })).toEqual([
      'EVENTS_SIGNING_KEY_FILE cannot be read (ENOENT)',
    ]);
  });
});

it('tells faults of hosts and misspelt settings with all others', () => {
  const hosts = 'a.example,169.254.169.254';
  const faults = faultsOf({ WEBHOOK_ALLOWED_HOSTS: hosts, WEBHOOK_TIMEOUT: '5', WEBHOOK_TIMEOUT_MS: '5' });
  expect(faults.toSorted()).toEqual([
    'WEBHOOK_ALLOWED_HOSTS: entry 2 is an address that is never called (metadata)',
    'WEBHOOK_TIMEOUT is not a setting; did you mean WEBHOOK_TIMEOUT_MS?',
    'WEBHOOK_TIMEOUT_MS must be a whole number from 100 to 60000',
  ]);
});

describe('a key in use', () => {
  it('stands in no line of the log, in no form, and neither does a new one of its file, nor one that was replaced', async () => {
    const path = join(folder, 'followed');
    const write = (text: string) => {
      writeFileSync(`${path}.new`, text);
      renameSync(`${path}.new`, path);
    };
    write(signingKey);
    vi.stubEnv('EVENTS_SIGNING_KEY_FILE', path);
    const config = load({ EVENTS_SIGNING_KEY_FILE: path });
    const hidden = hideSecrets(config);
    let log = '';
    const logger = createLogger('info', hidden.list, {
      write: (line) => {
        log += line;
      },
    });
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    onTestFinished(() => void vi.useRealTimers());
    const look = () => vi.advanceTimersByTime(1_000);
    const keys = followSigningKeys(hidden, logger);
    if (!keys) throw new Error('no file is followed');
    expect(keys.current()).toEqual([signingKey]);
    write(`${otherSigningKey}\n${signingKey}\n`);
    look();
    expect(keys.current()).toEqual([otherSigningKey, signingKey]);
    write('short');
    look();
    expect(log).toContain('EVENTS_SIGNING_KEY_FILE has faults; the old version stays');
    expect(keys.current()).toEqual([otherSigningKey, signingKey]);
    write(third);
    look();
    expect(keys.current()).toEqual([third]);
    keys.close();
    expect(log).toContain('"act":"signing-keys-changed","keys":2');

    log = '';
    const secrets = [signingKey, otherSigningKey, third, required.MATON_API_KEY];
    for (const secret of secrets) {
      const bare = secret.replace(/=+$/, '');
      for (const form of [
        secret,
        bare,
        encodeURIComponent(secret),
        Buffer.from(secret).toString('base64'),
        Buffer.from(secret).toString('hex'),
        bare.replaceAll('+', '-').replaceAll('/', '_'),
      ])
        logger.info({ form: { of: [`it is ${form}.`] } }, `what ${form} was`);
    }
    expect(log).not.toBe('');
    for (const secret of secrets) {
      const bare = secret.replace(/=+$/, '');
      for (const form of [bare, bare.slice(5), bare.toLowerCase()]) expect(log).not.toContain(form);
    }
  });
});
