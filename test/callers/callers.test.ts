import { hash } from 'node:crypto';
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { callersFromFile, type FileChange } from '../../src/callers/follow.ts';
import { findJsonFault } from '../../src/callers/json-fault.ts';
import { parseCallers } from '../../src/callers/parse.ts';
import { sandboxKey } from '../../src/callers/sandbox-key.ts';
import { type Callers, callerEntry, hasScope, mayUse } from '../../src/callers.ts';
import { problem } from '../support/problem-type.ts';
import { type Service, startService } from '../support/service.ts';
import { standingClock } from '../support/standing-clock.ts';

const key = (name: string) => `key-of-${name}-long-enough`;
const fileOf = (...names: string[]) =>
  JSON.stringify(names.map((name) => callerEntry(name, key(name), { scopes: ['*'] })));
const hex = 'a'.repeat(64);
function faultOf(text: string): string | undefined {
  try {
    parseCallers(text);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
const bare = { name: 'billing', scopes: ['messages:send'], connections: ['*'] };
const entry = { name: 'billing', keySha256: [hex], scopes: ['messages:send'], connections: ['*'] };

describe('a callers file', () => {
  it('is a list of names, hashes, scopes and connections', () => {
    expect(parseCallers(JSON.stringify([{ ...entry, ratePerSecond: 50 }]))).toEqual([{ ...entry, ratePerSecond: 50 }]);
    expect(parseCallers(JSON.stringify([{ ...entry, weight: 0.5 }]))).toEqual([{ ...entry, weight: 0.5 }]);
    expect(parseCallers('[]')).toEqual([]);
  });

  it('accepts the older form of keys beside the newer one', () => {
    const second = {
      id: 'billing-1',
      name: 'crm',
      keys: [{ sha256: 'b'.repeat(64), notAfter: '2027-01-31', label: 'of the night shift' }],
      scopes: ['*'],
      connections: ['*'],
      countries: ['US', 'CA'],
      recipients: ['14155550100', '+1415555*', '6622a1f0c3b4d5e6f7a8b901', 'US.ENT.11815799212886844830'],
      templates: ['welcome'],
      messagesPerHour: 100,
      messagesPerDay: 1000,
      addresses: ['10.0.0.0/8', '192.168.1.7', 'fd00::/8', '::1', '::ffff:10.0.0.0/104'],
      weight: 2,
      ratePerSecond: 5,
    };
    const both = { ...entry, keys: [{ sha256: 'c'.repeat(64) }] };
    expect(parseCallers(JSON.stringify([both, second]))).toEqual([both, second]);
    expect(parseCallers(`\uFEFF${JSON.stringify([second])}`)).toEqual([second]);
  });

  it.each<[string, unknown]>([
    ['no list', entry],
    ['an unknown scope', [{ ...entry, scopes: ['messages:write'] }]],
    ['an unknown property', [{ ...entry, scope: ['*'] }]],
    ['no hash', [{ ...entry, keySha256: [] }]],
    ['a key in the place of its hash', [{ ...entry, keySha256: ['a-plain-key-of-a-caller'] }]],
    ['a key in the place of a hash of the second form', [{ ...bare, keys: [{ sha256: 'a-plain-key-of-a-caller' }] }]],
    ['no key at all', [bare]],
    ['only an empty list of keys', [{ ...bare, keys: [] }]],
    ['the same key in both forms', [{ ...entry, keys: [{ sha256: hex }] }]],
    ['a last day that is none', [{ ...bare, keys: [{ sha256: hex, notAfter: 'tomorrow' }] }]],
    ['a last day that February lacks', [{ ...bare, keys: [{ sha256: hex, notAfter: '2027-02-30' }] }]],
    ['a last time on such a day', [{ ...bare, keys: [{ sha256: hex, notAfter: '2027-04-31T00:00:00Z' }] }]],
    ['a last time without a zone', [{ ...bare, keys: [{ sha256: hex, notAfter: '2027-01-31T00:00:00' }] }]],
    ['a name in other letters', [entry, { ...entry, name: 'Billing', keySha256: ['b'.repeat(64)] }]],
    [
      'an id in other letters',
      [
        { ...entry, id: 'X' },
        { ...entry, name: 'b', id: 'x', keySha256: ['b'.repeat(64)] },
      ],
    ],
    [
      "a name that is another's id",
      [
        { ...entry, id: 'crm' },
        { ...entry, name: 'crm', keySha256: ['b'.repeat(64)] },
      ],
    ],
    ...['wati-bff', 'none', 'Sandbox', 'OPERATOR', 'all'].flatMap((word): [string, unknown][] => [
      [`the reserved name ${word}`, [{ ...entry, name: word }]],
      [`the reserved id ${word}`, [{ ...entry, id: word }]],
    ]),
    ['the key of the sandbox', [{ ...entry, keySha256: [hash('sha256', sandboxKey)] }]],
    ['the key of the sandbox in the second form', [{ ...bare, keys: [{ sha256: hash('sha256', sandboxKey) }] }]],
    ...[
      '10.0.0/8',
      '10.1',
      '10.0.0.0/33',
      'localhost',
      '10.0.0.300',
      '',
      'fd00::/129',
      '::ffff:10.0.0.0/8',
      'fe80::1%eth0',
    ].map((address): [string, unknown] => [`the address "${address}"`, [{ ...entry, addresses: [address] }]]),
    ...['*', '1415*5', '0415*', '415', '14155550100 ', 'somebody'].map((recipient): [string, unknown] => [
      `the recipient "${recipient}"`,
      [{ ...entry, recipients: [recipient] }],
    ]),
    ['a country in small letters', [{ ...entry, countries: ['us'] }]],
    ['a quota of zero', [{ ...entry, messagesPerHour: 0 }]],
    ['half a message a day', [{ ...entry, messagesPerDay: 0.5 }]],
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

  it.each<[string, unknown, string]>([
    [
      'a scope',
      [{ ...entry, scopes: ['messages:sendd'] }],
      'billing: scope "messages:sendd" is not known; did you mean messages:send?',
    ],
    [
      'a scope of a known noun',
      [{ ...entry, scopes: ['media:write'] }],
      'billing: scope "media:write" is not known; there is media:read',
    ],
    ['a property', [{ ...entry, recipient: [] }], 'billing: "recipient" is not known; did you mean recipients?'],
    [
      'a property of a key',
      [{ ...bare, keys: [{ sha256: hex, notafter: '2027-01-31' }] }],
      'billing: "notafter" is not known; did you mean notAfter?',
    ],
    [
      'a property that is missing',
      [{ name: 'crm', keySha256: [hex], scopes: [] }],
      'crm: "connections" is missing: a list of connection ids, or ["*"] for all',
    ],
    [
      'the type of a property',
      [{ ...entry, scopes: 'messages:send' }],
      'billing: "scopes" must be a list of scopes, or ["*"] for all',
    ],
    [
      'a hash that was cut',
      [{ ...entry, keySha256: ['a'.repeat(63)] }],
      'billing: a SHA-256 has 64 hexadecimal digits, and one here has 63',
    ],
    [
      'an entry without a name',
      [entry, { ...entry, name: undefined, weight: 0 }],
      'entry 2: "name" is missing: text; entry 2: "weight" must be a number above 0, at most 100',
    ],
    ['an entry that is none', ['billing'], 'entry 1: an entry must be an object {...}'],
    ['an object in the place of the list', { billing: entry }, 'it must be a list [...] of entries {...}'],
    ['a second one with the same key', [entry, { ...entry, name: 'crm' }], 'crm: it has the same key as billing'],
  ])('names who, where and what for %s', (_what, content, words) => {
    expect(faultOf(JSON.stringify(content))).toBe(words);
  });

  it('recognises a key in the place of its hash, and warns that the key is compromised', () => {
    const key = `wbff_${'x'.repeat(43)}`;
    for (const content of [
      [{ ...entry, keySha256: [key] }],
      [{ ...bare, keys: [{ sha256: key }] }],
      [{ ...entry, name: key }],
    ]) {
      expect(() => parseCallers(JSON.stringify(content))).toThrow(/^(?!.*wbff_)/);
    }
    expect(() => parseCallers(JSON.stringify([{ ...entry, keySha256: [key] }]))).toThrow(
      /a key stands in the place of its hash/,
    );
  });

  it.each([
    ['[{"name": "secret', 'line 1, column 11: this text is not closed, or has a character that must be escaped'],
    ['[\n  {"name": "a"}\n  {"name": "b"}\n]', 'line 3, column 3: a comma or a closing ] is missing here'],
    ['[\n  {"name": "a",}\n]', 'line 2, column 16: there is a comma too many before this brace'],
    ['[{"name": "a"},]', 'line 1, column 16: there is a comma too many before this bracket'],
    ["[{'name': 'a'}]", 'line 1, column 3: a name in double quotes is missing here'],
    ['[{"name": \'a\'}]', 'line 1, column 11: text stands in double quotes, not in single ones'],
    ['[{"name" "a"}]', 'line 1, column 10: a colon is missing here'],
    ['[\r\n// of ours\r\n]', 'line 2, column 1: JSON has no comments'],
    ['[{"weight": 01}]', 'line 1, column 13: a value is missing or misspelt here'],
    ['[{"name": "a"}', 'line 1, column 15: it ends in the middle; a bracket or a brace is not closed'],
    ['', 'line 1, column 1: it ends in the middle; a bracket or a brace is not closed'],
    ['[] []', 'line 1, column 4: something follows after the end'],
    ['[{"scopes": ["*"], "scopes": []}]', 'line 1, column 20: this property stands twice in its entry'],
  ])('is refused where it is no JSON: %j', (text, words) => expect(faultOf(text)).toBe(`it is not JSON: ${words}`));

  it('accepts the JSON that JSON.parse accepts, and nothing else', () =>
    fc.assert(
      fc.property(
        fc.json({ maxDepth: 4 }),
        fc.nat(),
        fc.constantFrom('', ',', '}', ']', '"', '{', '0', '\\'),
        (json, at, put) => {
          const text = `${json.slice(0, at % (json.length + 1))}${put}${json.slice(at % (json.length + 1))}`;
          const parses = (() => {
            try {
              JSON.parse(text);
              return true;
            } catch {
              return false;
            }
          })();
          const fault = findJsonFault(text);
          const isOurs = fault?.what.includes('twice') || /[\u007f-\u009f]|\p{Surrogate}/u.test(text);
          if (!isOurs) expect(fault === undefined, text).toBe(parses);
        },
      ),
    ));

  it('grants exactly the scopes that it names', () => {
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
    const changes: FileChange[] = [];
    callers = callersFromFile(path, { onChange: (change) => changes.push(change), intervalMs: 50 });
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

  it.each(Object.entries(ways))('and %s takes effect soon', async (name, { start, change }) => {
    const path = join(folder, `${name.replaceAll(' ', '-')}.json`);
    start(path);
    const { changes, knows } = follow(path);
    expect([knows('old'), knows('new')]).toEqual(['old', undefined]);
    // A file system may keep times to the millisecond only.
    await sleep(20);
    change(path, fileOf('new', 'third'));
    await soon(() => changes.length > 0);
    expect([knows('old'), knows('new')]).toEqual([undefined, 'new']);
    expect(changes).toMatchObject([
      {
        callers: 2,
        changes: [{ caller: 'old', change: 'removed' }, { caller: 'new', change: 'added' }, { caller: 'third' }],
      },
    ]);
  });

  it('into an invalid one keeps the old version and reports the fault, until it is fixed', async () => {
    const path = join(folder, 'broken.json');
    writeFileSync(path, fileOf('old'));
    const { changes, knows } = follow(path);
    await sleep(20);
    writeFileSync(path, '[{"name": "new", "keySha');
    await soon(() => changes.length > 0);
    expect(changes).toMatchObject([{ error: { message: expect.stringMatching(/^it is not JSON: line 1/) } }]);
    expect(knows('old')).toBe('old');
    expect(callers?.file?.()).toMatchObject({ valid: false, callers: 1 });
    rmSync(path);
    await soon(() => changes.length > 1);
    expect(changes[1]).toMatchObject({ error: { code: 'ENOENT' } });
    expect(knows('old')).toBe('old');
    writeFileSync(path, fileOf('new'));
    await soon(() => changes.length > 2);
    expect([knows('old'), knows('new')]).toEqual([undefined, 'new']);
    expect(callers?.file?.()).toMatchObject({ valid: true, callers: 1 });
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

  it('must be readable at the start', () => {
    expect(() => callersFromFile(join(folder, 'nowhere.json'), { onChange: () => {} })).toThrow(/ENOENT/);
  });
});

describe('the rate limit of a caller', () => {
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

  it('admits a burst of one second, then answers 429 with Retry-After, and admits the next request in time', async () => {
    const clock = standingClock();
    const statuses: number[] = [];
    for (let count = 0; count < 7; count++) statuses.push((await ask('slow')).status);
    expect(statuses.slice(0, 5)).toEqual([404, 404, 404, 404, 404]);
    const refused = await ask('slow');
    expect(statuses.slice(5)).toEqual([429, 429]);
    expect(refused).toMatchObject({ status: 429, headers: { 'retry-after': '1' } });
    expect(refused.json).toMatchObject({
      type: problem('rate-limited'),
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

  it('is given in whole seconds if it is slower than one a second, and is separate for each caller', async () => {
    expect((await ask('slower')).status).toBe(404);
    expect(await ask('slower')).toMatchObject({ status: 429, headers: { 'retry-after': '5' } });
    expect((await service.ask('GET', '/v1/nothing')).status).toBe(404);
  });
});
