import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { scopes } from '../src/callers.ts';
import { EnvSchema } from '../src/config.ts';

const readme = readFileSync('README.md', 'utf8');

it('has every setting of the schema in its table, with default and meaning, and no other', () => {
  const required: readonly string[] = EnvSchema.required;
  const rows = Object.entries(EnvSchema.properties).map(([name, property]) => {
    const description = 'description' in property ? property.description : '';
    const fallback = 'default' in property ? property.default : undefined;
    const shown = fallback === undefined || fallback === '' ? 'none' : `\`${fallback}\``;
    return `| \`${name}\` | ${required.includes(name) && fallback === undefined ? 'required' : shown} | ${description} |`;
  });
  expect(readme.match(/^\| `[A-Z][A-Z_]+` \|.*$/gm)).toEqual(rows);
});

it('names every scope', () => {
  for (const scope of scopes) expect(readme).toContain(`\`${scope}\``);
});
