import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { CallerEntry, KeyEntry } from '../../src/callers/entry.ts';
import { parseCallers } from '../../src/callers/parse.ts';
import { scopes } from '../../src/callers.ts';
import { EnvSchema } from '../../src/settings/env-schema.ts';

const settings = readFileSync('docs/settings.md', 'utf8');
const callers = readFileSync('docs/callers-file.md', 'utf8');

it('has every setting of the schema in its table, with default and meaning, and no other', () => {
  const required: readonly string[] = EnvSchema.required;
  const rows = Object.entries(EnvSchema.properties).map(([name, property]) => {
    const description = 'description' in property ? property.description : '';
    const fallback = 'default' in property ? property.default : undefined;
    const shown = fallback === undefined || fallback === '' ? 'none' : `\`${fallback}\``;
    return `| \`${name}\` | ${required.includes(name) && fallback === undefined ? 'required' : shown} | ${description} |`;
  });
  expect(settings.match(/^\| `[A-Z][A-Z_]+` \|.*$/gm)).toEqual(rows);
});

it('has every field of the callers file in its table, and no other', () => {
  const section = callers.slice(callers.indexOf('## Entries'), callers.indexOf('## Scopes'));
  const fields = Array.from(section.matchAll(/^\| `([a-zA-Z0-9]+)` \|/gm), ([, field = '']) => field);
  expect(fields.toSorted()).toEqual(Object.keys(CallerEntry.properties).toSorted());
  for (const field of Object.keys(KeyEntry.properties)) expect(section).toContain(`\`${field}\``);
  const example = (section.match(/^ {4}.*$/gm) ?? []).join('\n');
  expect(parseCallers(example)).toMatchObject([{ name: 'billing' }]);
});

it('names every scope', () => {
  for (const scope of scopes) expect(callers).toContain(`\`${scope}\``);
});
