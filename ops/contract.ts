import { readFileSync, writeFileSync } from 'node:fs';
import { parse, stringify } from 'yaml';
import { type Outline, outlineOf } from './contract-outline.ts';
import { breaksBetween } from './contract-rules.ts';

/**
 * `npm run contract` holds openapi.yaml against ops/contract.yaml, what was last agreed with the callers. `--write` takes
 * what is new into it, and refuses what breaks a caller; `--write --breaking` takes that as well.
 */
const file = 'ops/contract.yaml';
const [write, breaking] = ['--write', '--breaking'].map((word) => process.argv.includes(word));

const now = outlineOf(parse(readFileSync('openapi.yaml', 'utf8')));
const text = `# Written by \`npm run openapi\` from openapi.yaml: what callers hold on to.\n${stringify(now, { aliasDuplicateObjects: false })}`;
const before = readFileSync(file, 'utf8');
const breaks = breaksBetween(parse(before) as Outline, now);

if (breaks.length > 0 && !(write && breaking)) {
  console.error(
    `contract: ${breaks.length} change${breaks.length === 1 ? '' : 's'} in openapi.yaml can break callers:`,
  );
  for (const each of breaks) console.error(`  - ${each}`);
  console.error('If that is meant: tell them in CHANGELOG.md, and run `npm run contract -- --write --breaking`.');
  process.exitCode = 1;
} else if (write) {
  writeFileSync(file, text);
} else if (before !== text) {
  console.error(`contract: ${file} lacks what is new in openapi.yaml: run \`npm run openapi\` and commit it`);
  process.exitCode = 1;
} else console.log(`contract: ${Object.keys(now.operations).length} operations, as agreed`);
