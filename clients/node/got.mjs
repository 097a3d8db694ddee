// got: node got.mjs ADDRESS KEY INVOICE CSV FILM
import { randomUUID } from 'node:crypto';
import { openAsBlob } from 'node:fs';
import { basename } from 'node:path';
import got from 'got';

const [bff, key, invoice, csv, film] = process.argv.slice(2);
const run = randomUUID();
const api = got.extend({
  prefixUrl: bff,
  headers: { authorization: `Bearer ${key}` },
  responseType: 'json',
  throwHttpErrors: false,
  timeout: { request: 60_000 },
});

/** The same key is the same message, however often it is asked for. */
const sendTemplate = () =>
  api.post('v1/messages/template', {
    headers: { 'idempotency-key': `got-${run}` },
    json: {
      to: '14155551000',
      template: 'order_update',
      parameters: { customer_name: 'José', order_id: 'A-1001', order_status: 'shipped' },
    },
  });

async function upload(path, file, searchParams) {
  const form = new FormData();
  form.append('file', await openAsBlob(file), basename(file));
  const headers = { 'idempotency-key': `got-${path.split('/').at(-1)}-${run}` };
  return api.post(path, { searchParams, headers, body: form });
}

/**
 * Large files: a form that is still being written ends the process of Node 24 (ERR_INVALID_STATE) where the answer comes
 * before its end, so it is written first.
 */
async function uploadWhole(path, file, searchParams, headers) {
  const form = new FormData();
  form.append('file', await openAsBlob(file), basename(file));
  const written = new Response(form);
  return api.post(path, {
    searchParams,
    headers: { 'content-type': written.headers.get('content-type'), ...headers },
    body: await written.bytes(),
  });
}

/** Server-sent events; the stream ends with the broadcast. */
async function follow(broadcast) {
  let text = '';
  const stream = api.stream(`v1/broadcasts/${broadcast}/events`).setEncoding('utf8');
  for await (const part of stream) text += part;
  const last = text.trim().split('\n\n').at(-1);
  return { event: last.match(/^event: (.*)$/m)[1], data: JSON.parse(last.match(/^data: (.*)$/m)[1]) };
}

const head = await api.head('v1/templates', { responseType: 'text' });
console.log(`templates, by HEAD: ${head.statusCode}`);

const first = await sendTemplate();
console.log(`template: ${first.statusCode} ${first.body.status}`);
const again = await sendTemplate();
const replayed = again.headers['idempotency-replayed'];
console.log(
  `template again: ${again.statusCode} ${again.body.status}, replayed: ${replayed}, the same: ${again.body.id === first.body.id}`,
);

const sent = await upload('v1/messages/file', invoice, { to: '14155551000', caption: 'Grüße' });
console.log(`file: ${sent.statusCode} ${sent.body.status} ${sent.body.fileName}`);

const taken = await upload('v1/broadcasts/import', csv, { template: 'order_update', broadcastName: 'march' });
console.log(`import: ${taken.statusCode} ${taken.body.counts.total}`);
const { event, data } = await follow(taken.body.id);
console.log(`events: ${event}, ${data.counts.accepted} accepted`);

const refused = await uploadWhole('v1/messages/file', film, { to: '14155551000' }, { authorization: `Bearer ${key}x` });
console.log(`another key: ${refused.statusCode} ${refused.body.type}`);
const plain = await api.post('v1/messages/text', { headers: { 'content-type': 'text/plain' }, body: 'Hello' });
console.log(`another type: ${plain.statusCode} ${plain.body.type}`);
