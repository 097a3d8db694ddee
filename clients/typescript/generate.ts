import { mkdirSync, writeFileSync } from 'node:fs';
import openapiTypescript, { astToString } from 'openapi-typescript';
import ts from 'typescript';

/** Files are strings to openapi-typescript; its own documentation has this for making them blobs. */
const blob = ts.factory.createTypeReferenceNode('Blob');

/** The types of problems that there are today, as the description lists them beside `type: string`: there may be more. */
let problems: readonly unknown[] = [];

const nodes = await openapiTypescript(new URL('../../openapi.yaml', import.meta.url), {
  transform: (schema) => {
    if ('x-extensible-enum' in schema && Array.isArray(schema['x-extensible-enum']))
      problems = schema['x-extensible-enum'];
    return schema.format === 'binary' ? blob : undefined;
  },
});
mkdirSync(new URL('generated/', import.meta.url), { recursive: true });
const known = problems.map((type) => JSON.stringify(type)).join(' | ');
writeFileSync(
  new URL('generated/schema.ts', import.meta.url),
  `${astToString(nodes)}\nexport type KnownProblem = ${known};\n`,
);
