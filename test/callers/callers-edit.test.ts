import { hash } from 'node:crypto';
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { editCallersFile, withEntry, withKey, withoutCaller, withoutKey } from '../../src/callers/edit.ts';
import type { CallerEntry } from '../../src/callers/entry.ts';
import { parseCallers } from '../../src/callers/parse.ts';

const root = mkdtempSync(join(tmpdir(), 'wati-bff-edit-'));
afterAll(() => rmSync(root, { recursive: true }));
const a = 'a'.repeat(64);
const b = 'b'.repeat(64);
const billing: CallerEntry = { id: 'b-1', name: 'billing', keySha256: [a], scopes: ['*'], connections: ['*'] };
const ops: CallerEntry = {
  name: 'ops',
  keys: [{ sha256: b, label: 'of the night' }],
  scopes: ['*'],
  connections: ['*'],
};
const c = { sha256: hash('sha256', 'c') };

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(root, 'each-'));
  path = join(folder, 'clients.json');
  writeFileSync(path, JSON.stringify([billing, ops]));
});
const entries = () => parseCallers(readFileSync(path, 'utf8'));

describe('a callers file that is edited', () => {
  it('gets another caller, and is created if it does not exist', () => {
    const made = join(folder, 'made.json');
    editCallersFile(made, (all) => withEntry(all, ops), { create: true });
    expect(parseCallers(readFileSync(made, 'utf8'))).toEqual([ops]);
    expect(statSync(made).mode & 0o777).toBe(0o600);
  });

  it.each(['billing', 'Billing', 'b-1', 'B-1'])('knows %s by name or id, in any case', (who) => {
    editCallersFile(path, (all) => withKey(all, who, c));
    expect(entries()).toEqual([{ ...billing, keys: [c] }, ops]);
    editCallersFile(path, (all) => withoutKey(all, who, 'AAAAAAAA'));
    const { keySha256: _, ...rest } = billing;
    expect(entries()).toEqual([{ ...rest, keys: [c] }, ops]);
    editCallersFile(path, (all) => withoutCaller(all, who));
    expect(entries()).toEqual([ops]);
  });

  it('keeps its mode, its link, and nothing else beside it', () => {
    chmodSync(path, 0o640);
    mkdirSync(join(folder, 'links'));
    const link = join(folder, 'links', 'clients.json');
    symlinkSync(path, link);
    editCallersFile(link, (all) => withoutCaller(all, 'ops'));
    expect(lstatSync(link).isSymbolicLink()).toBe(true);
    expect(statSync(path).mode & 0o777).toBe(0o640);
    expect(entries()).toEqual([billing]);
    expect([readdirSync(folder), readdirSync(join(folder, 'links'))]).toEqual([
      ['clients.json', 'links'],
      ['clients.json'],
    ]);
  });

  it.each<[string, (all: readonly CallerEntry[]) => CallerEntry[], string]>([
    ['a name that is taken', (all) => withEntry(all, { ...ops, name: 'OPS' }), 'OPS is in it already'],
    ["a name that is another's id", (all) => withEntry(all, { ...ops, name: 'b-1' }), 'b-1 is in it already'],
    ['nobody of that name', (all) => withoutCaller(all, 'crm'), 'crm is not in it'],
    ['no key that begins so', (all) => withoutKey(all, 'ops', 'cccccccc'), 'ops has no key cccccccc'],
    ["another's key", (all) => withoutKey(all, 'ops', 'aaaaaaaa'), 'ops has no key aaaaaaaa'],
    ['the only key', (all) => withoutKey(all, 'ops', 'bbbbbbbb'), 'it is the only key of ops'],
    [
      'keys that begin alike',
      (all) => withoutKey(withKey(all, 'ops', { sha256: `${'b'.repeat(63)}0` }), 'ops', 'bbbbbbbb'),
      'give more digits',
    ],
    ['a key that another has', (all) => withKey(all, 'ops', { sha256: a }), 'it has the same key as billing'],
    ['a result that the service would refuse', (all) => [...all, { ...ops, name: 'operator' }], 'reserved'],
  ])('stands as it was with %s', (_what, change, words) => {
    const before = readFileSync(path, 'utf8');
    expect(() => editCallersFile(path, change)).toThrow(words);
    expect(readFileSync(path, 'utf8')).toBe(before);
    expect(readdirSync(folder)).toEqual(['clients.json']);
  });

  it('stays unchanged if it has faults, or another program edits it', () => {
    writeFileSync(path, '[{]');
    expect(() => editCallersFile(path, (all) => withoutCaller(all, 'ops'))).toThrow('it is not JSON');
    expect(readFileSync(path, 'utf8')).toBe('[{]');
    writeFileSync(path, JSON.stringify([billing]));
    let inner = '';
    editCallersFile(path, (all) => {
      try {
        editCallersFile(path, (same) => withEntry(same, ops));
      } catch (error) {
        inner = String(error);
      }
      return withKey(all, 'billing', c);
    });
    expect(inner).toContain('another client-key changes it now');
    expect(entries()).toEqual([{ ...billing, keys: [c] }]);
  });
});
