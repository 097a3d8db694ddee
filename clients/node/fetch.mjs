// Node's own fetch: node fetch.mjs ADDRESS KEY INVOICE CSV FILM
import { randomUUID } from 'node:crypto';
import { openAsBlob } from 'node:fs';
import { basename } from 'node:path';

const [bff, key, invoice, csv, film] = process.argv.slice(2);
const run = randomUUID();

const ask = (path, { headers, ...options } = {}) =>
  fetch(`${bff}${path}`, {
    signal: AbortSignal.timeout(60_000),
    headers: { authorization: `Bearer ${key}`, ...headers },
    ...options,
  });

/** The same key is the same message, however often it is asked for. */
const sendTemplate = () =>
  ask('/v1/messages/template', {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'idempotency-key': `fetch-${run}` },
    body: JSON.stringify({
      to: '14155551000',
      template: 'order_update',
      parameters: { customer_name: 'José', order_id: 'A-1001', order_status: 'shipped' },
    }),
  });

async function upload(path, file, query, headers) {
  const form = new FormData();
  form.append('file', await openAsBlob(file), basename(file));
  return ask(`${path}?${new URLSearchParams(query)}`, {
    method: 'POST',
    headers: { 'idempotency-key': `fetch-${path.split('/').at(-1)}-${run}`, ...headers },
    body: form,
  });
}

/** Server-sent events; the stream ends with the broadcast. */
async function follow(broadcast) {
  const { body } = await ask(`/v1/broadcasts/${broadcast}/events`);
  let text = '';
  for await (const bytes of body.pipeThrough(new TextDecoderStream())) text += bytes;
  const last = text.trim().split('\n\n').at(-1);
  return { event: last.match(/^event: (.*)$/m)[1], data: JSON.parse(last.match(/^data: (.*)$/m)[1]) };
}

const head = await ask('/v1/templates', { method: 'HEAD' });
console.log(`templates, by HEAD: ${head.status}`);

const first = await sendTemplate();
const message = await first.json();
console.log(`template: ${first.status} ${message.status}`);
const again = await sendTemplate();
const repeated = await again.json();
const replayed = again.headers.get('idempotency-replayed');
console.log(
  `template again: ${again.status} ${repeated.status}, replayed: ${replayed}, the same: ${repeated.id === message.id}`,
);

const sent = await upload('/v1/messages/file', invoice, { to: '14155551000', caption: 'Grüße' });
const file = await sent.json();
console.log(`file: ${sent.status} ${file.status} ${file.fileName}`);

const taken = await upload('/v1/broadcasts/import', csv, { template: 'order_update', broadcastName: 'march' });
const { id, counts } = await taken.json();
console.log(`import: ${taken.status} ${counts.total}`);
const { event, data } = await follow(id);
console.log(`events: ${event}, ${data.counts.accepted} accepted`);

const refused = await upload('/v1/messages/file', film, { to: '14155551000' }, { authorization: `Bearer ${key}x` });
console.log(`another key: ${refused.status} ${(await refused.json()).type}`);
const plain = await ask('/v1/messages/text', {
  method: 'POST',
  headers: { 'content-type': 'text/plain' },
  body: 'Hello',
});
console.log(`another type: ${plain.status} ${(await plain.json()).type}`);
