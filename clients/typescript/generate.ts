import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import openapiTypescript, { astToString } from 'openapi-typescript';
import ts from 'typescript';
import { parse } from 'yaml';

/** Files are strings to openapi-typescript; its own documentation has this for making them blobs. */
const blob = ts.factory.createTypeReferenceNode('Blob');

/** The types of problems that there are today, as the description lists them beside `type: string`: there may be more. */
let problems: readonly unknown[] = [];

const description = new URL('../../openapi.yaml', import.meta.url);
const nodes = await openapiTypescript(description, {
  transform: (schema) => {
    // Types of events are listed in the same way.
    const listed = 'x-extensible-enum' in schema ? schema['x-extensible-enum'] : undefined;
    if (Array.isArray(listed) && String(listed[0]).startsWith('/problems/')) problems = listed;
    return schema.format === 'binary' ? blob : undefined;
  },
});
mkdirSync(new URL('generated/', import.meta.url), { recursive: true });
const known = problems.map((type) => JSON.stringify(type)).join(' | ');
writeFileSync(
  new URL('generated/schema.ts', import.meta.url),
  `${astToString(nodes)}\nexport type KnownProblem = ${known};\n`,
);

/** An event of each type, as the description shows it: the compiler says whether it has what an event may have. */
const { content } = parse(readFileSync(description, 'utf8')).webhooks.event.post.requestBody;
const examples: readonly (readonly [string, { value: unknown }])[] = Object.entries(
  content['application/json'].examples,
);
const values = Object.fromEntries(examples.map(([type, { value }]) => [type, value]));
writeFileSync(
  new URL('generated/example-events.ts', import.meta.url),
  `import type { components } from './schema.ts';
export const exampleEvents: Readonly<Record<string, components['schemas']['Event']>> = ${JSON.stringify(values, null, 2)};
`,
);
