import { mkdirSync, writeFileSync } from 'node:fs';
import openapiTypescript, { astToString } from 'openapi-typescript';
import ts from 'typescript';

/** Files are strings to openapi-typescript; its own documentation has this for making them blobs. */
const blob = ts.factory.createTypeReferenceNode('Blob');

const nodes = await openapiTypescript(new URL('../../openapi.yaml', import.meta.url), {
  transform: ({ format }) => (format === 'binary' ? blob : undefined),
});
mkdirSync(new URL('generated/', import.meta.url), { recursive: true });
writeFileSync(new URL('generated/schema.ts', import.meta.url), astToString(nodes));
