import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

/**
 * `npm run bench [-- reads|sends|replicas|uploads|webhooks|events|budget|lists|holds|imports|report] [-- --quick]`: compares the cost of the service with
 * proxies that only forward. Without a name, runs all parts, each in a process of its own, so that garbage of one does not slow another.
 */
const parts = [
  'reads',
  'sends',
  'replicas',
  'uploads',
  'webhooks',
  'events',
  'budget',
  'lists',
  'holds',
  'imports',
  'report',
];
const named = process.argv.slice(2).filter((argument) => parts.includes(argument));
const options = process.argv.slice(2).filter((argument) => argument.startsWith('--'));

for (const part of named.length > 0 ? named : parts) {
  console.log(`\n== ${part}`);
  const { status } = spawnSync(process.execPath, [join(import.meta.dirname, `${part}.ts`), ...options], {
    stdio: 'inherit',
  });
  if (status !== 0) process.exitCode = 1;
}
