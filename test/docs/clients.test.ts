import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { parse } from 'yaml';

const guide = readFileSync('docs/clients.md', 'utf8');

it('the guide shows the Java class as it is', () => {
  const shown = /^cat > WatiSender\.java <<'END'\n(.*?)^END$/ms.exec(guide)?.[1];
  expect(shown).toBe(readFileSync('clients/java-http/WatiSender.java', 'utf8'));
});

it('the TypeScript package has the version of the description it is made from', () => {
  const { info } = parse(readFileSync('openapi.yaml', 'utf8'));
  const { name, version } = JSON.parse(readFileSync('clients/typescript/package.json', 'utf8'));
  expect(version).toBe(info.version);
  expect(guide).toContain(`${name}-${version}.tgz`);
});
