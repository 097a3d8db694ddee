import { writeFileSync } from 'node:fs';
import { pino } from 'pino';
import { sandboxKey } from '../src/callers/sandbox-key.ts';
import { startSandbox } from '../src/sandbox/sandbox.ts';
import { exampleIds } from '../src/schemas/common.ts';
import { isRecord } from './contract-outline.ts';

/**
 * `npm run examples`: asks a sandbox for what the document asks for by example, and writes down what it answers, operation by
 * operation and status by status. The document shows it (plugins/openapi.ts).
 */
const file = 'src/schemas/example-answers.json';

type Json = Record<string, unknown>;
const record = (value: unknown): Json => (isRecord(value) ? value : {});

interface Request {
  path?: string;
  body?: unknown;
  headers?: Record<string, string>;
}

/** Where one example leads to one of the statuses of an operation alone: what leads to the others. */
const others: Record<string, Record<string, Request>> = {
  putContact: { 201: { path: '/v1/contacts/14155550150' } },
  ...Object.fromEntries(
    ['sendFile', 'sendFileLink', 'sendButtons', 'sendList', 'sendText', 'sendTemplate'].map((id) => [
      id,
      { 202: { body: { to: '14155550202' } } },
    ]),
  ),
  sendTemplateCsv: { 202: { headers: { prefer: 'respond-async' } } },
};

const csv = 'Phone,customer_name,order_id,order_status\r\n14155550100,Asha,A-1001,shipped\r\n';
const forms: Record<string, () => File> = {
  sendFile: () => new File(['%PDF-1.7\n1 0 obj\n'], 'invoice.pdf', { type: 'application/pdf' }),
  importBroadcast: () => new File([csv], 'orders.csv', { type: 'text/csv' }),
  sendTemplateCsv: () => new File([csv], 'orders.csv', { type: 'text/csv' }),
};

/** Random ids by what they name, so that one run is as another. */
const idsByField: Record<string, string> = {
  id: exampleIds.unknownMessage,
  localMessageId: 'bee9950d-a866-419b-9314-ccd25067ff7f',
  broadcastId: exampleIds.doneBroadcast,
  resendOf: '6303bfc6-fc8a-4df8-b921-f2b24f9a6dd2',
  connectionId: exampleIds.connection,
};
const newConnection = '5f1c9a7e-3c1d-4d7b-9a52-7e0c4b8d2f61';
const known = new Set<string>(Object.values(exampleIds));
const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

function settled(value: unknown, field = ''): unknown {
  // One of a list tells what they are like.
  if (Array.isArray(value)) return value.slice(0, field === 'data' ? 1 : 9).map((each) => settled(each));
  if (isRecord(value)) {
    const isBroadcast = 'counts' in value;
    const isConnection = 'authorizationUrl' in value;
    return Object.fromEntries(
      Object.entries(value).map(([name, each]) => [
        name,
        isConnection && name === 'id'
          ? newConnection
          : isBroadcast && name === 'id' && !known.has(String(each))
            ? exampleIds.doneBroadcast
            : settled(each, name),
      ]),
    );
  }
  if (typeof value !== 'string') return value;
  if (field === 'authorizationUrl') return 'https://connect.maton.ai/?session_token=EXAMPLE';
  if (field === 'phone' && value.startsWith('14155551')) return '14155550100';
  if (/^\d{4}-\d\d-\d\dT[\d:.]+Z$/.test(value)) return '2026-11-02T09:30:00.000Z';
  if (uuid.test(value) && !known.has(value)) return idsByField[field] ?? value;
  if (field === 'whatsappMessageId') return 'wamid.HBgLMTQxNTU1NTAxMDA=';
  return value;
}

async function main() {
  const sandbox = await startSandbox(
    { PORT: '0', MATON_RATE_PER_SECOND: '100000', SEND_WAIT_MS: '2000' },
    { seed: 'examples', logger: () => pino({ level: 'silent' }) },
  );
  const document = record(await (await fetch(`${sandbox.url}/openapi.json`)).json());
  const found: Record<string, Json> = {};
  for (const [path, item] of Object.entries(record(document.paths))) {
    for (const [method, raw] of Object.entries(record(item))) {
      const operation = { path, method, raw: record(raw) };
      const id = String(operation.raw.operationId);
      for (const [status, request] of [['', {}] as const, ...Object.entries(others[id] ?? {})]) {
        const answer = await ask({ url: sandbox.url, document }, operation, request);
        if (answer === undefined) continue;
        if (status !== '' && status !== String(answer.status))
          throw new Error(`${id}: ${answer.status}, not ${status}`);
        found[id] = { ...found[id], [answer.status]: settled(answer.json) };
      }
    }
  }
  const problems = await problemsOf(sandbox.url);
  await sandbox.close();
  writeFileSync(file, `${JSON.stringify({ answers: found, problems }, undefined, 2)}\n`);
}

interface Operation {
  path: string;
  method: string;
  raw: Json;
}

/** undefined: no success in JSON. */
interface Api {
  url: string;
  document: Json;
}

async function ask({ url, document }: Api, { path, method, raw }: Operation, request: Request) {
  const id = String(raw.operationId);
  const target = new URL(request.path ?? path, url);
  const headers = new Headers({ authorization: `Bearer ${sandboxKey}`, ...request.headers });
  for (const each of Array.isArray(raw.parameters) ? raw.parameters.map(record) : []) {
    const example = each.example ?? record(each.schema).example;
    const name = String(each.name);
    if (each.in === 'path') target.pathname = target.pathname.replace(encodeURI(`{${name}}`), String(example));
    if (each.in === 'query' && each.required === true) target.searchParams.set(name, String(example));
    if (name === 'idempotency-key') headers.set(name, crypto.randomUUID());
  }
  const content = record(record(raw.requestBody).content);
  let body: FormData | string | undefined;
  const given = record(request.body);
  if ('multipart/form-data' in content) {
    body = new FormData();
    body.set('file', forms[id]?.() ?? '');
    if (given.to !== undefined) target.searchParams.set('to', String(given.to));
  } else if ('application/json' in content) {
    headers.set('content-type', 'application/json');
    body = JSON.stringify({ ...record(exampleOf(document, record(content['application/json']))), ...given });
  }
  const answer = await fetch(target, { method: method.toUpperCase(), headers, ...(body !== undefined && { body }) });
  const told = record(record(record(raw.responses)[String(answer.status)]).content);
  if (!('application/json' in told)) {
    // A stream never ends by itself.
    await answer.body?.cancel();
    return undefined;
  }
  const text = await answer.text();
  if (!answer.ok || !answer.headers.get('content-type')?.startsWith('application/json')) return undefined;
  const json: unknown = JSON.parse(text);
  return { status: answer.status, json };
}

function exampleOf(document: Json, media: Json): unknown {
  if ('example' in media) return media.example;
  const reference = String(record(media.schema).$ref ?? '');
  const schema = record(record(record(document.components).schemas)[reference.split('/').at(-1) ?? '']);
  return Array.isArray(schema.examples) ? schema.examples[0] : {};
}

const json = { 'content-type': 'application/json' };
const post = (path: string, body: unknown, headers: Record<string, string> = {}) => ({
  path,
  init: { method: 'POST', headers: { ...json, ...headers }, body: JSON.stringify(body) },
});
const text = (to: string, words = 'Your parcel is on its way.') => ({ to, text: words });
const template = (parameters: object, name = 'order_update') => ({ to: '14155550100', template: name, parameters });
const form = (content: string, name: string, type: string) => {
  const body = new FormData();
  body.set('file', new File([content], name, { type }));
  return body;
};

/** Requests that end in problems, one or more of a type. */
const failing: readonly { path: string; init: RequestInit }[] = [
  { path: '/v1/messages/text', init: { method: 'POST', headers: json, body: '{"to": "14155550100", "text": }' } },
  post('/v1/messages/text', { to: '4155550100', txt: 'Hello' }),
  { path: '/v1/templates', init: { headers: { authorization: 'Bearer a-key-that-nobody-has' } } },
  { path: '/v1/messages/0b7c0c5e-3f0e-4a53-9be6-6a1b6d3c8d57', init: {} },
  { path: '/v1/messages/text', init: { method: 'PUT', headers: json, body: '{}' } },
  post('/v1/messages/text', text('14155550100'), { 'maton-connection': exampleIds.failedConnection }),
  post('/v1/messages/text', text('14155550409')),
  post('/v1/messages/text', text('14155550110'), { 'idempotency-key': 'order-1001-shipped' }),
  post('/v1/messages/text', text('14155550110', 'Another text.'), { 'idempotency-key': 'order-1001-shipped' }),
  post(`/v1/broadcasts/${exampleIds.doneBroadcast}/pause`, {}),
  post(`/v1/operations/messages/${exampleIds.unknownMessage}/cancel`, {}),
  post('/v1/messages/text', text('14155550100', 'x'.repeat(70_000))),
  {
    path: '/v1/messages/file?to=14155550100',
    init: { method: 'POST', body: form('hello', 'invoice.pdf', 'application/pdf') },
  },
  post('/v1/messages/template', template({}, 'order_updates')),
  post('/v1/messages/template', template({ customer: 'Asha', order_id: 'A-1001', order_status: 'shipped' })),
  post('/v1/messages/text', text('14155550423')),
  post('/v1/messages/template', { ...template({}, 'welcome'), to: '14155550424' }),
  post('/v1/messages/text', text('14155550422')),
  {
    path: '/v1/broadcasts/import?template=order_update&broadcastName=november',
    init: {
      method: 'POST',
      headers: { 'idempotency-key': 'november' },
      body: form('Phone,customer_name,order_id,order_status\n14155550100,Asha,A-1001,\n', 'orders.csv', 'text/csv'),
    },
  },
  post('/v1/messages/text', text('14155550103')),
  post(`/v1/messages/${exampleIds.unknownMessage}/resend`, { reason: 'the customer says that nothing came' }),
];

async function problemsOf(url: string): Promise<Json> {
  const found: Json = {};
  for (const { path, init } of failing) {
    const headers = new Headers({ authorization: `Bearer ${sandboxKey}` });
    for (const [name, value] of new Headers(init.headers)) headers.set(name, value);
    const answer = await fetch(new URL(path, url), { ...init, headers });
    if (answer.ok) continue;
    const { type, ...problem } = record(await answer.json());
    found[String(type).split('/').at(-1) ?? ''] ??= { ...problem, requestId: '5f1c9a7e' };
  }
  return found;
}

await main();
