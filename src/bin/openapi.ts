import { readFileSync, writeFileSync } from 'node:fs';
import { pino } from 'pino';
import { buildApp } from '../app.ts';
import { fixedCallers } from '../callers.ts';
import { loadConfig } from '../config.ts';

/** `npm run openapi` writes openapi.yaml from the route schemas; with `--check` it only reports whether the file is up to date. */
async function main(): Promise<number> {
  const config = loadConfig({ MATON_API_KEY: 'the-document-needs-none', CLIENTS_FILE: 'none', STORE_URL: 'memory:' });
  const app = await buildApp(config, { callers: fixedCallers([]), logger: pino({ level: 'silent' }) });
  await app.ready();
  const { yaml: document } = await app.openapi();
  await app.close();
  if (!process.argv.includes('--check')) {
    writeFileSync('openapi.yaml', document);
    return 0;
  }
  if (readFileSync('openapi.yaml', 'utf8') === document) return 0;
  console.error('openapi.yaml is stale: run `npm run openapi` and commit it');
  return 1;
}

process.exitCode = await main();
