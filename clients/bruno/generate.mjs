import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { parse } from 'yaml';

/** A Bruno collection of every operation, from openapi.yaml by Bruno's own importer, into generated/wati-bff. */
process.chdir(import.meta.dirname);
const document = parse(readFileSync('../../openapi.yaml', 'utf8'));

/** A parameter that is an object is one of each name in it. */
const spread = (parameter) =>
  parameter.in === 'query' && parameter.schema.type === 'object'
    ? Object.entries(parameter.example ?? {}).map(([name, example]) => ({
        ...parameter,
        name,
        example,
        schema: { type: 'string' },
      }))
    : [parameter];

for (const operation of Object.values(document.paths).flatMap((path) => Object.values(path))) {
  operation.parameters = (operation.parameters ?? []).flatMap(spread);
  for (const parameter of operation.parameters) {
    // The importer writes lists as one value with commas; they are repeated parameters.
    if (Array.isArray(parameter.example)) parameter.example = parameter.example.slice(0, 1);
    if (parameter.in !== 'header') continue;
    // Bruno makes one for each send. Other headers are there, switched off.
    if (parameter.name === 'idempotency-key') parameter.example = '{{$guid}}';
    else delete parameter.example;
  }
  // The importer keeps the request beside each answer that it has an example of: those of success are enough.
  for (const status of Object.keys(operation.responses)) if (Number(status) >= 400) delete operation.responses[status];
  const answers = Object.values(operation.responses);
  if (answers.some(({ content }) => content?.['text/event-stream'])) operation.tags.push('stream');
}

rmSync('generated', { recursive: true, force: true });
mkdirSync('generated');
// As JSON: the importer reads times in YAML as dates, and writes them as {}.
writeFileSync('generated/openapi.json', JSON.stringify(document));
const bru = ['node_modules/@usebruno/cli/bin/bru.js', 'import', 'openapi', '--collection-format', 'bru'];
execFileSync(
  process.execPath,
  [...bru, '--source', 'generated/openapi.json', '--output', 'generated', '--collection-name', 'wati-bff'],
  { stdio: ['ignore', 'ignore', 'inherit'] },
);
rmSync('generated/openapi.json');

const collection = 'generated/wati-bff';
const files = {
  'invoice.pdf': '%PDF-1.4\nhello\n',
  'customers.csv': 'Phone,customer_name,order_id,order_status\r\n14155550100,Asha,A-1001,shipped\r\n',
};
mkdirSync(`${collection}/files`);
for (const [name, text] of Object.entries(files)) writeFileSync(`${collection}/files/${name}`, text);
for (const name of readdirSync(collection, { recursive: true }).filter((each) => each.endsWith('.bru'))) {
  const path = `${collection}/${name}`;
  const text = readFileSync(path, 'utf8');
  // Bruno takes parameters of the query from the address; the importer writes only their table.
  const table = /^params:query \{\n(.*?)^\}/ms.exec(text)?.[1] ?? '';
  const query = [...table.matchAll(/^ {2}(\w+): (.+)$/gm)].map(([, key, value]) => `${key}=${value}`).join('&');
  const file = name.startsWith('broadcasts/') ? 'customers.csv' : 'invoice.pdf';
  const addressed = query === '' ? text : text.replace(/^ {2}url: .*$/m, (address) => `${address}?${query}`);
  writeFileSync(path, addressed.replace('@file()', `@file(files/${file})`));
}

const environments = {
  sandbox: 'vars {\n  baseUrl: http://127.0.0.1:3000\n  token: sandbox-key-of-nobody\n}\n',
  // A secret is kept by Bruno outside of the folder.
  account: 'vars {\n  baseUrl: https://wati-bff.example\n}\nvars:secret [\n  token\n]\n',
};
rmSync(`${collection}/environments`, { recursive: true, force: true });
mkdirSync(`${collection}/environments`);
for (const [name, text] of Object.entries(environments)) writeFileSync(`${collection}/environments/${name}.bru`, text);
