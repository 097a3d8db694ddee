import { hash } from 'node:crypto';
import { mkdtempSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { editTokensFile, withoutEntry, withoutToken, withToken } from '../../src/intake/token-edit.ts';
import { parseTokens } from '../../src/intake/token-entry.ts';
import { type TokensChange, tokensFromFile } from '../../src/intake/tokens.ts';
import { connectionId, delivered, entryOf, startDoor, token } from './door.ts';

const folder = mkdtempSync(join(tmpdir(), 'wati-bff-tokens-'));
afterAll(() => rmSync(folder, { recursive: true }));

const sha = (text: string) => hash('sha256', text);
const entry = { name: 'acme', tokenSha256: [sha('one')], connectionId: 'c1' };

describe('the tokens file', () => {
  it('is a list of who may post for which connection; several tokens each, while one is replaced', () => {
    const text = JSON.stringify([
      { ...entry, tokenSha256: [sha('one'), sha('two')] },
      { ...entry, name: 'b', tokenSha256: [sha('3')] },
    ]);
    expect(parseTokens(`\uFEFF${text}`)).toHaveLength(2);
    expect(parseTokens('[]')).toEqual([]);
  });

  const secret = 'a-token-that-nobody-may-read-in-a-log';
  it.each<[string, unknown, RegExp]>([
    ['no JSON', `[{"name": "${secret}"`, /^it is not JSON: line 1, column \d+/],
    ['a property that stands twice', '[{"name":"a","name":"b"}]', /stands twice/],
    ['no list', {}, /^it must be a list/],
    ['no entry', [7], /^entry 1: an entry must be an object/],
    [
      'a name that is missing',
      [{ tokenSha256: [sha('a')], connectionId: 'c' }],
      /^entry 1: "name" is required: up to 64/,
    ],
    ['tokens that are missing', [{ name: 'acme', connectionId: 'c' }], /^acme: "tokenSha256" is required: a list/],
    [
      'a connection that is missing',
      [{ name: 'acme', tokenSha256: [sha('a')] }],
      /^acme: "connectionId" is required: the id/,
    ],
    ['no token at all', [{ ...entry, tokenSha256: [] }], /^acme: "tokenSha256" must not be an empty list/],
    [
      'a token in the place of its hash',
      [{ ...entry, tokenSha256: [sha('a'), secret] }],
      /^acme: "tokenSha256" 2 must be the SHA-256 of a token/,
    ],
    ['a hash in capitals', [{ ...entry, tokenSha256: [sha('a').toUpperCase()] }], /in small letters/],
    ['a token as a text', [{ ...entry, tokenSha256: sha('a') }], /^acme: "tokenSha256" must be a list/],
    [
      'the hash of nothing',
      [{ ...entry, tokenSha256: [sha('')] }],
      /^acme: one of its hashes is that of an empty text/,
    ],
    ['a property that nobody knows', [{ ...entry, [secret]: 1 }], /^acme: a property is not known here/],
    [
      'a connection with a blank',
      [{ ...entry, connectionId: 'a b' }],
      /^acme: "connectionId" must be the id of a connection/,
    ],
    ['a name with a slash', [{ ...entry, name: `a/${secret}` }], /^entry 1: "name" must be up to 64/],
    ['a name that is a hash', [{ ...entry, name: sha('a') }], /^entry 1: its name looks like a key/],
    [
      'a name twice',
      [entry, { ...entry, name: 'ACME', tokenSha256: [sha('b')] }],
      /^ACME: another entry has this name/,
    ],
    ['a token of two', [entry, { ...entry, name: 'b' }], /^b: it has the same token as acme$/],
    ['a token twice in one', [{ ...entry, tokenSha256: [sha('a'), sha('a')] }], /^acme: it has the same token twice$/],
  ])('is refused for %s, in words that quote none', (_name, file, words) => {
    const text = typeof file === 'string' ? file : JSON.stringify(file);
    let fault = '';
    try {
      parseTokens(text);
    } catch (error) {
      fault = error instanceof Error ? error.message : '';
    }
    expect(fault).toMatch(words);
    expect(fault).not.toContain(secret);
    expect(fault).not.toMatch(/[0-9a-f]{16}/i);
  });

  it('reports every fault at once, and of very many the first', () => {
    const wrong = Array.from({ length: 30 }, (_, n) => ({ ...entry, name: `n${n}`, tokenSha256: [] }));
    expect(() => parseTokens(JSON.stringify(wrong))).toThrow(/^n0: .*; n19: [^;]*; and 10 more$/);
  });
});

it('allows a token to be replaced while the service runs, and keeps the old file while the new one has faults', async () => {
  const path = join(folder, 'tokens.json');
  // As Kubernetes swaps a mounted secret.
  let versions = 0;
  const write = (text: string) => {
    versions += 1;
    writeFileSync(join(folder, `v${versions}`), text);
    symlinkSync(join(folder, `v${versions}`), join(folder, 'next'));
    renameSync(join(folder, 'next'), path);
  };
  const next = 'nExt0bWJ3nVZk2c5yHq8mX1rE7sLd9uAfG4iPjToKwC';
  write(JSON.stringify([entryOf('acme', token)]));
  const changes: (TokensChange | { error: Error })[] = [];
  let now = 1_000;
  const tokens = tokensFromFile(path, { onChange: (change) => changes.push(change), intervalMs: 2, now: () => now });
  const { ask, intake } = await startDoor({ tokens, server: { wrongPerSecond: 1_000 } });
  const statusOf = async (one: string) => {
    const body = JSON.stringify(delivered('1'));
    return (await ask({ method: 'POST', path: `/wati/${one}`, body })).status;
  };
  expect([await statusOf(token), await statusOf(next)]).toEqual([200, 404]);

  now = 2_000;
  write(JSON.stringify([entryOf('acme', token, next)]));
  await expect.poll(() => statusOf(next)).toBe(200);
  expect(await statusOf(token)).toBe(200);
  expect(changes).toEqual([{ entries: 1, added: [], removed: [], changed: ['acme'] }]);
  expect(tokens.file()).toEqual({ valid: true, sinceMs: 2_000, entries: 1 });

  now = 3_000;
  write('[{"name": "acme"');
  await expect.poll(() => tokens.file().valid).toBe(false);
  expect(tokens.file().sinceMs).toBe(2_000);
  expect([await statusOf(token), await statusOf(next)]).toEqual([200, 200]);

  write(JSON.stringify([{ ...entryOf('beta', next), connectionId: 'c2' }]));
  await expect.poll(() => statusOf(token)).toBe(404);
  expect(await statusOf(next)).toBe(200);
  expect(changes.slice(1)).toEqual([
    { error: expect.any(Error) },
    { entries: 1, added: ['beta'], removed: ['acme'], changed: [] },
  ]);
  expect([...intake.lastEvents().keys()]).toEqual(['c2']);
  expect(connectionId).not.toBe('c2');
  await intake.close();
  tokens.close();
});

it('cannot begin with a file that has faults, or with none', () => {
  const path = join(folder, 'faulty.json');
  expect(() => tokensFromFile(path, { onChange: () => {} })).toThrow(/ENOENT/);
  writeFileSync(path, '{}');
  expect(() => tokensFromFile(path, { onChange: () => {} })).toThrow(/must be a list/);
});

it('is edited as a whole, and unchanged if the edit is refused', () => {
  const path = join(folder, 'edited.json');
  const next = { name: 'acme', connectionId: 'c1', sha256: sha('one') };
  expect(() => editTokensFile(path, (all) => withToken(all, next))).toThrow(/ENOENT/);
  editTokensFile(path, (all) => withToken(all, next), { create: true });
  editTokensFile(path, (all) => withToken(all, { ...next, sha256: sha('two') }));
  const both = [{ name: 'acme', tokenSha256: [sha('one'), sha('two')], connectionId: 'c1' }];
  const refused: [(all: readonly (typeof both)[number][]) => (typeof both)[number][], RegExp][] = [
    [(all) => withToken(all, { ...next, connectionId: 'c2', sha256: sha('3') }), /^acme is of the connection c1/],
    [(all) => withToken(all, next), /^acme: it has the same token twice$/],
    [(all) => withToken(all, { ...next, name: 'a b', sha256: sha('3') }), /"name" must be up to 64/],
    [(all) => withoutEntry(all, 'beta'), /^beta is not in it/],
    [(all) => withoutToken(all, 'acme', 'ffffffff'), /^acme has no token ffffffff/],
    [(all) => withoutToken(all, 'acme', ''), /^acme has 2 tokens that begin so/],
  ];
  for (const [change, words] of refused) expect(() => editTokensFile(path, change)).toThrow(words);
  expect(parseTokens(readFileSync(path, 'utf8'))).toEqual(both);
  expect(editTokensFile(path, (all) => withoutToken(all, 'ACME', sha('one').slice(0, 8).toUpperCase()))).toHaveLength(
    1,
  );
  expect(() => editTokensFile(path, (all) => withoutToken(all, 'acme', sha('two')))).toThrow(/only token of acme/);
  expect(editTokensFile(path, (all) => withoutEntry(all, 'Acme'))).toEqual([]);
  writeFileSync(path, '[{]');
  expect(() => editTokensFile(path, (all) => withToken(all, next))).toThrow(/line 1, column 3/);
  expect(readFileSync(path, 'utf8')).toBe('[{]');
});
