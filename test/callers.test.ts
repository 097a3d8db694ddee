import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { type Callers, callerEntry, callersFromFile, hasScope, mayUse, parseCallers } from '../src/callers.ts';
import { type Service, startService } from './helper.ts';
import { standingClock } from './standing-clock.ts';

const key = (name: string) => `key-of-${name}-long-enough`;
const fileOf = (...names: string[]) => JSON.stringify(names.map((name) => callerEntry(name, key(name), ['*'])));
const hex = 'a'.repeat(64);
const entry = { name: 'billing', keySha256: [hex], scopes: ['messages:send'], connections: ['*'] };

describe('a callers file', () => {
  it('is a list of names, hashes, scopes and connections', () => {
    expect(parseCallers(JSON.stringify([{ ...entry, ratePerSecond: 50 }]))).toEqual([{ ...entry, ratePerSecond: 50 }]);
    expect(parseCallers(JSON.stringify([{ ...entry, weight: 0.5 }]))).toEqual([{ ...entry, weight: 0.5 }]);
    expect(parseCallers('[]')).toEqual([]);
  });

  it.each<[string, unknown]>([
    ['no list', entry],
    ['an unknown scope', [{ ...entry, scopes: ['messages:write'] }]],
    ['an unknown property', [{ ...entry, scope: ['*'] }]],
    ['no hash', [{ ...entry, keySha256: [] }]],
    ['a key in the place of its hash', [{ ...entry, keySha256: ['a-plain-key-of-a-caller'] }]],
    ['upper-case hex', [{ ...entry, keySha256: ['A'.repeat(64)] }]],
    ['no connections', [{ name: 'a', keySha256: [hex], scopes: [] }]],
    ['a name with a space', [{ ...entry, name: 'a b' }]],
    ['a rate of zero', [{ ...entry, ratePerSecond: 0 }]],
    ['a weight of zero', [{ ...entry, weight: 0 }]],
    ['a weight over 100', [{ ...entry, weight: 101 }]],
    ['a rate over 100,000', [{ ...entry, ratePerSecond: 100_001 }]],
    ['a name twice', [entry, { ...entry, keySha256: ['b'.repeat(64)] }]],
    ['a key twice', [entry, { ...entry, name: 'other' }]],
  ])('is refused with %s, without a word of the hashes', (_what, content) => {
    expect(() => parseCallers(JSON.stringify(content))).toThrow(/^(?!.*(aaaa|a-plain-key)).+$/s);
  });

  it('is refused where it is no JSON', () =>
    expect(() => parseCallers('[{"name": "secret')).toThrow(/^it is not JSON$/));

  it('grants what it names and no more', () => {
    const [caller] = parseCallers(JSON.stringify([{ ...entry, connections: ['one'] }]));
    if (!caller) throw new Error('no caller');
    expect([hasScope(caller, 'messages:send'), hasScope(caller, 'messages:read')]).toEqual([true, false]);
    expect([mayUse(caller, 'one'), mayUse(caller, 'two'), mayUse(caller, '*')]).toEqual([true, false, false]);
    expect(hasScope({ ...caller, scopes: ['*'] }, 'metrics:read')).toBe(true);
  });
});

describe('a callers file that changes', () => {
  const folder = mkdtempSync(join(tmpdir(), 'wati-bff-callers-'));
  let callers: Callers | undefined;
  afterEach(() => callers?.close());
  afterAll(() => rmSync(folder, { recursive: true }));

  const follow = (path: string) => {
    const changes: ({ callers: number } | { error: Error })[] = [];
    callers = callersFromFile(path, (change) => changes.push(change), 50);
    const knows = (name: string) => callers?.find(key(name))?.name;
    return { changes, knows };
  };
  const soon = (done: () => boolean) => expect.poll(done).toBe(true);

  const ways: Record<string, { start: (path: string) => void; change: (path: string, text: string) => void }> = {
    'is written in place': {
      start: (path) => writeFileSync(path, fileOf('old')),
      change: (path, text) => writeFileSync(path, text),
    },
    'is replaced by a rename': {
      start: (path) => writeFileSync(path, fileOf('old')),
      change: (path, text) => {
        writeFileSync(`${path}.new`, text);
        renameSync(`${path}.new`, path);
      },
    },
    // A mounted secret: clients.json -> ..data/clients.json, and ..data -> ..2026_01, swapped as a whole.
    'is swapped by Kubernetes': {
      start: (path) => {
        mkdirSync(`${path}.d/..1`, { recursive: true });
        writeFileSync(`${path}.d/..1/clients.json`, fileOf('old'));
        symlinkSync('..1', `${path}.d/..data`);
        symlinkSync(`${path}.d/..data/clients.json`, path);
      },
      change: (path, text) => {
        mkdirSync(`${path}.d/..2`);
        writeFileSync(`${path}.d/..2/clients.json`, text);
        symlinkSync('..2', `${path}.d/..tmp`);
        renameSync(`${path}.d/..tmp`, `${path}.d/..data`);
      },
    },
  };

  it.each(Object.entries(ways))('and %s counts soon', async (name, { start, change }) => {
    const path = join(folder, `${name.replaceAll(' ', '-')}.json`);
    start(path);
    const { changes, knows } = follow(path);
    expect([knows('old'), knows('new')]).toEqual(['old', undefined]);
    // A file system may keep times to the millisecond only.
    await sleep(20);
    change(path, fileOf('new', 'third'));
    await soon(() => changes.length > 0);
    expect([knows('old'), knows('new')]).toEqual([undefined, 'new']);
    expect(changes).toEqual([{ callers: 2 }]);
  });

  it('for the worse keeps the old version and says so, until it is mended', async () => {
    const path = join(folder, 'broken.json');
    writeFileSync(path, fileOf('old'));
    const { changes, knows } = follow(path);
    await sleep(20);
    writeFileSync(path, '[{"name": "new", "keySha');
    await soon(() => changes.length > 0);
    expect(changes).toEqual([{ error: new Error('it is not JSON') }]);
    expect(knows('old')).toBe('old');
    rmSync(path);
    await soon(() => changes.length > 1);
    expect(changes[1]).toMatchObject({ error: { code: 'ENOENT' } });
    expect(knows('old')).toBe('old');
    writeFileSync(path, fileOf('new'));
    await soon(() => changes.length > 2);
    expect([knows('old'), knows('new')]).toEqual([undefined, 'new']);
  });

  it('is not followed any more once it is closed', async () => {
    const path = join(folder, 'closed.json');
    writeFileSync(path, fileOf('old'));
    const { changes, knows } = follow(path);
    callers?.close();
    await sleep(20);
    writeFileSync(path, fileOf('new'));
    await sleep(90);
    expect([changes, knows('old')]).toEqual([[], 'old']);
  });

  it('must be readable at first', () => {
    expect(() => callersFromFile(join(folder, 'nowhere.json'), () => {})).toThrow(/ENOENT/);
  });
});

describe('the own limit of a caller', () => {
  let service: Service;
  beforeAll(async () => {
    service = await startService({
      callers: [
        { name: 'slow', key: key('slow'), scopes: ['templates:read'], ratePerSecond: 5 },
        { name: 'slower', key: key('slower'), scopes: ['*'], ratePerSecond: 0.2 },
      ],
    });
  });
  afterAll(() => service.close());
  const ask = (name: string) => service.ask('GET', '/v1/nothing', { key: key(name) });

  it('lets a burst of one second pass, then answers 429 with Retry-After, and lets the next pass in time', async () => {
    const clock = standingClock();
    const statuses: number[] = [];
    for (let count = 0; count < 7; count++) statuses.push((await ask('slow')).status);
    expect(statuses.slice(0, 5)).toEqual([404, 404, 404, 404, 404]);
    const refused = await ask('slow');
    expect(statuses.slice(5)).toEqual([429, 429]);
    expect(refused).toMatchObject({ status: 429, headers: { 'retry-after': '1' } });
    expect(refused.json).toMatchObject({
      type: '/problems/rate-limited',
      detail: 'your own limit of 5 requests a second is spent',
      retryable: true,
    });
    expect(refused.json).not.toHaveProperty('upstream');
    clock.pass(199);
    expect((await ask('slow')).status).toBe(429);
    clock.pass(1);
    expect((await ask('slow')).status).toBe(404);
    vi.restoreAllMocks();
  });

  it('is told in whole seconds where it is slower than one a second, and is each caller its own', async () => {
    expect((await ask('slower')).status).toBe(404);
    expect(await ask('slower')).toMatchObject({ status: 429, headers: { 'retry-after': '5' } });
    expect((await service.ask('GET', '/v1/nothing')).status).toBe(404);
  });
});
