import { expect, it } from 'vitest';
import {
  bomFaults,
  floorFaults,
  installScriptFaults,
  type Lock,
  licenceFaults,
  licenceList,
  lockFaults,
} from '../../ops/dependency-policy.ts';

const integrity = 'sha512-x';
const manifest = { dependencies: { '@scope/pg': '8.1.0' }, devDependencies: { tool: '1.0.0' } };
const lock = (changes: Lock['packages'] = {}): Lock => ({
  packages: {
    '': { version: '0.1.0' },
    'node_modules/@scope/pg': { version: '8.1.0', integrity, license: 'MIT' },
    'node_modules/tool': { version: '1.0.0', integrity, license: 'GPL-3.0', dev: true, hasInstallScript: true },
    'node_modules/tool-win32': { version: '1.0.0', integrity, dev: true, optional: true, os: ['win32'] },
    ...changes,
  },
});

it('takes a tree of exact, known packages as it is', () => {
  expect(lockFaults(manifest, lock())).toEqual([]);
  expect(installScriptFaults(lock())).toEqual([]);
  expect(licenceFaults(lock())).toEqual([]);
});

it.each(['^8.1.0', '8.1', '*', 'latest', '8.1.0 || 9.0.0', 'github:scope/pg'])('refuses %s as a version', (version) => {
  expect(lockFaults({ ...manifest, dependencies: { '@scope/pg': version } }, lock())).toHaveLength(1);
});

it('refuses a package whose bytes the lockfile does not know, whatever machine it is for', () => {
  const unknown = { version: '1.0.0', license: 'MIT' };
  for (const entry of [unknown, { ...unknown, dev: true }, { ...unknown, optional: true, os: ['linux'] }]) {
    expect(lockFaults(manifest, lock({ 'node_modules/new': entry }))).toEqual([
      'new has no sha512 integrity in package-lock.json',
    ]);
  }
});

it('refuses install scripts and licences that nobody has allowed, in production', () => {
  const changed = lock({
    'node_modules/@scope/pg/node_modules/native': { version: '1.2.3', integrity, hasInstallScript: true },
    'node_modules/copyleft': { version: '2.0.0', integrity, license: 'AGPL-3.0-only' },
  });
  expect(installScriptFaults(changed)).toEqual(['native runs a script when it is installed, and is in production']);
  expect(licenceFaults(changed)).toEqual(['native 1.2.3 is under no licence', 'copyleft 2.0.0 is under AGPL-3.0-only']);
  expect(licenceList(changed)).toContain('| native | 1.2.3 | none |');
  expect(licenceList(changed)).not.toContain('tool');
});

it('holds the bill of materials to the production tree, both ways', () => {
  const component = { purl: 'pkg:npm/%40scope/pg@8.1.0' };
  expect(bomFaults({ bomFormat: 'CycloneDX', components: [component] }, lock())).toEqual([]);
  expect(bomFaults({ bomFormat: 'CycloneDX', components: [] }, lock())).toHaveLength(1);
  expect(
    bomFaults({ bomFormat: 'CycloneDX', components: [component, { purl: 'pkg:npm/tool@1.0.0' }] }, lock()),
  ).toHaveLength(1);
  expect(bomFaults({ bomFormat: 'SPDX', components: [component] }, lock())).toHaveLength(1);
});

it.each([
  ['3.1.7', 1],
  ['3.1.8', 0],
  ['3.1.9-rc.1', 1],
  ['3.10.0', 0],
  ['4.1.4', 1],
  ['4.1.5', 0],
  ['5.0.0', 0],
  ['2.9.9', 1],
])('measures %s at the floor of its own line', (version, faults) => {
  const floors = [{ name: 'uri', floors: ['3.1.8', '4.1.5'], advisory: 'GHSA-x' }];
  expect(floorFaults(floors, lock({ 'node_modules/a/node_modules/uri': { version, integrity } }))).toHaveLength(faults);
});

it('asks for the floor of a package that is gone to go too', () => {
  expect(floorFaults([{ name: 'gone', floors: ['1.0.0'], advisory: 'GHSA-x' }], lock())).toHaveLength(1);
});
