// axios: node axios.mjs ADDRESS KEY INVOICE CSV FILM
import { randomUUID } from 'node:crypto';
import { openAsBlob } from 'node:fs';
import { basename } from 'node:path';
import axios from 'axios';

const [bff, key, invoice, csv, film] = process.argv.slice(2);
const run = randomUUID();
const api = axios.create({
  baseURL: bff,
  headers: { authorization: `Bearer ${key}` },
  timeout: 60_000,
  validateStatus: () => true,
});

/** The same key is the same message, however often it is asked for. */
const sendTemplate = () =>
  api.post(
    '/v1/messages/template',
    {
      to: '14155551000',
      template: 'order_update',
      parameters: { customer_name: 'José', order_id: 'A-1001', order_status: 'shipped' },
    },
    { headers: { 'idempotency-key': `axios-${run}` } },
  );

async function upload(path, file, params, headers) {
  const form = new FormData();
  form.append('file', await openAsBlob(file), basename(file));
  return api.postForm(path, form, {
    params,
    headers: { 'idempotency-key': `axios-${path.split('/').at(-1)}-${run}`, ...headers },
  });
}

/** Server-sent events; the stream ends with the broadcast. */
async function follow(broadcast) {
  let text = '';
  const { data: stream } = await api.get(`/v1/broadcasts/${broadcast}/events`, { responseType: 'stream' });
  for await (const part of stream.setEncoding('utf8')) text += part;
  const last = text.trim().split('\n\n').at(-1);
  return { event: last.match(/^event: (.*)$/m)[1], data: JSON.parse(last.match(/^data: (.*)$/m)[1]) };
}

const head = await api.head('/v1/templates');
console.log(`templates, by HEAD: ${head.status}`);

const first = await sendTemplate();
console.log(`template: ${first.status} ${first.data.status}`);
const again = await sendTemplate();
const replayed = again.headers['idempotency-replayed'];
console.log(
  `template again: ${again.status} ${again.data.status}, replayed: ${replayed}, the same: ${again.data.id === first.data.id}`,
);

const sent = await upload('/v1/messages/file', invoice, { to: '14155551000', caption: 'Grüße' });
console.log(`file: ${sent.status} ${sent.data.status} ${sent.data.fileName}`);

const taken = await upload('/v1/broadcasts/import', csv, { template: 'order_update', broadcastName: 'march' });
console.log(`import: ${taken.status} ${taken.data.counts.total}`);
const { event, data } = await follow(taken.data.id);
console.log(`events: ${event}, ${data.counts.accepted} accepted`);

const refused = await upload('/v1/messages/file', film, { to: '14155551000' }, { authorization: `Bearer ${key}x` });
console.log(`another key: ${refused.status} ${refused.data.type}`);
const plain = await api.post('/v1/messages/text', 'Hello', { headers: { 'content-type': 'text/plain' } });
console.log(`another type: ${plain.status} ${plain.data.type}`);
