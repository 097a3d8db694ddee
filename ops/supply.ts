import { readFileSync, writeFileSync } from 'node:fs';
import {
  type Bom,
  bomFaults,
  type Floor,
  floorFaults,
  installScriptFaults,
  type Lock,
  licenceFaults,
  licenceList,
  lockFaults,
  type Manifest,
  productionOnly,
} from './dependency-policy.ts';

/**
 * `node ops/supply.ts SBOM` checks all that `.ci/supply` is for, and ends with exit code 1 if there are faults. `--write`
 * writes docs/licences.md; `--production FOLDER` writes a package.json and its lockfile without anything for development,
 * because `npm sbom --omit dev` leaves out what production and development share (npm/cli issue 7909).
 */
const licencesFile = 'docs/licences.md';
const json = (path: string): unknown => JSON.parse(readFileSync(path, 'utf8'));

const lock = json('package-lock.json') as Lock;
const manifest = json('package.json') as Manifest;
const [word = '', folder = ''] = process.argv.slice(2);
if (word === '--production') {
  const production = productionOnly(manifest, lock);
  writeFileSync(`${folder}/package.json`, JSON.stringify(production.manifest));
  writeFileSync(`${folder}/package-lock.json`, JSON.stringify(production.lock));
} else if (word === '--write') {
  writeFileSync(licencesFile, licenceList(lock));
} else {
  const faults = [
    ...lockFaults(manifest, lock),
    ...installScriptFaults(lock),
    ...licenceFaults(lock),
    ...bomFaults(json(word) as Bom, lock),
    ...floorFaults(json('ops/minimum-versions.json') as Floor[], lock),
  ];
  if (readFileSync(licencesFile, 'utf8') !== licenceList(lock)) {
    faults.push(`${licencesFile} is not fresh: npm run supply -- --write`);
  }
  for (const fault of faults) console.error(fault);
  process.exitCode = faults.length > 0 ? 1 : 0;
}
