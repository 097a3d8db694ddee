import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { callersFromFile } from '../../src/callers/follow.ts';
import { callerEntry } from '../../src/callers.ts';

it('a callers file that changes counts within two seconds', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'wati-bff-callers-'));
  const path = join(folder, 'clients.json');
  const write = (name: string) =>
    writeFileSync(path, JSON.stringify([callerEntry(name, `key-of-${name}-long-enough`, { scopes: ['*'] })]));
  write('old');
  const callers = callersFromFile(path, { onChange: () => {} });
  await sleep(20);
  write('new');
  const knows = () => callers.find('key-of-new-long-enough')?.name;
  await expect.poll(knows, { timeout: 2_500 }).toBe('new');
  callers.close();
  rmSync(folder, { recursive: true });
});
