import { mkdtempSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, expect, it, vi } from 'vitest';
import { createLogger } from '../../src/observability/logger.ts';
import { followMatonKey } from '../../src/settings/maton-key.ts';
import { startService } from '../support/service.ts';

const folder = mkdtempSync(join(tmpdir(), 'wati-bff-key-'));
afterAll(() => rmSync(folder, { recursive: true }));
afterEach(() => void vi.useRealTimers());

const intervalMs = 20;

function follow(name: string, first: string) {
  const path = join(folder, name);
  writeFileSync(path, first);
  const changes: unknown[] = [];
  const key = followMatonKey({ path, first, intervalMs }, (change) => changes.push(change));
  return { path, key, changes };
}

it('takes a new key from its file, also by a swapped link, and keeps the old one for anything else', () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  const { path, key, changes } = follow('key', 'the-first-maton-key');
  const look = () => vi.advanceTimersByTime(intervalMs);
  look();
  expect(key.current()).toBe('the-first-maton-key');
  writeFileSync(path, 'the-second-maton-key\n');
  look();
  expect(key.current()).toBe('the-second-maton-key');
  for (const bad of [
    '',
    ' \n',
    'too-short',
    'two words of a length',
    'sch\u00f6n-and-long-enough',
    'lines-of-a\nkey-like-thing',
  ]) {
    changes.length = 0;
    writeFileSync(path, bad);
    look();
    // Said once, not at each look.
    look();
    expect(changes).toEqual([{ error: expect.any(Error) }]);
    expect(key.current()).toBe('the-second-maton-key');
    writeFileSync(path, `the-second-maton-key${' '.repeat(bad.length)}`);
    look();
    expect(changes).toHaveLength(1);
  }
  changes.length = 0;
  unlinkSync(path);
  look();
  look();
  expect(changes).toEqual([{ error: expect.objectContaining({ code: 'ENOENT' }) }]);
  expect(key.current()).toBe('the-second-maton-key');
  writeFileSync(join(folder, 'mounted'), 'the-third-maton-key');
  symlinkSync(join(folder, 'mounted'), join(folder, 'link'));
  renameSync(join(folder, 'link'), path);
  look();
  expect(key.current()).toBe('the-third-maton-key');
  key.close();
});

it('is used from the next call on', async () => {
  const { path, key } = follow('rotated', 'revoked-key');
  const service = await startService({
    settings: { MATON_CONNECTION_ID: '21fd90f9-5935-43cd-b6c8-bde9d915ca80' },
    seams: { matonKey: key.current },
  });
  const ready = async () => (await service.ask('GET', '/health/ready')).json;
  expect(await service.ask('GET', '/v1/contacts')).toMatchObject({ status: 502 });
  expect(await ready()).toMatchObject({ status: 'not-ready', key: 'refused' });
  writeFileSync(path, service.simulator.key);
  await expect.poll(() => key.current()).toBe(service.simulator.key);
  // What Maton said of the former key is not said of this one.
  expect(await ready()).toMatchObject({ status: 'ready', key: 'accepted' });
  expect(await service.ask('GET', '/v1/contacts')).toMatchObject({ status: 200 });
  expect(service.simulator.ledger.of('getContacts').map((entry) => entry.headers.authorization)).toEqual([
    'wrong',
    'ok',
  ]);
  key.close();
  await service.close();
});

it('is hidden from the log from then on, like the one before it', () => {
  const secrets = ['old-key'];
  let log = '';
  const logger = createLogger('info', secrets, {
    write: (line) => {
      log += line;
    },
  });
  secrets.push('new-key');
  logger.info('old-key and new-key');
  expect(log).toContain('[secret] and [secret]');
});
