import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { MultipartParser } from '../../src/simulator/multipart.ts';
import { rawSocket, started } from './helper.ts';

const boundary = 'wati-bff-1234';
const type = { 'content-type': `multipart/form-data; boundary=${boundary}` };

function form(content: Buffer, name = 'file', filename = 'photo.png', mime = 'image/png'): Buffer {
  const head = `--${boundary}\r\nContent-Disposition: form-data; name="${name}"; filename="${filename}"\r\nContent-Type: ${mime}\r\n\r\n`;
  return Buffer.concat([Buffer.from(head), content, Buffer.from(`\r\n--${boundary}--\r\n`)]);
}

const upload = '/api/v1/sendSessionFile/14155551000';

test('a file is taken in as it was on the wire', async () => {
  const { simulator, gateway } = await started();
  const content = Buffer.from(`\r\n--${boundary.slice(0, 5)}\r\n\r\n\0binary`);
  const answer = await gateway(upload, {
    method: 'POST',
    query: { caption: 'Look' },
    body: form(content),
    headers: type,
  });
  expect(answer.json()).toMatchObject({
    ok: true,
    message: { type: 'image', text: 'Look', media: { mimeType: 'image/png', caption: 'Look' } },
  });
  expect(simulator.ledger.entries[0]).toMatchObject({
    complete: true,
    processed: true,
    parts: [
      {
        name: 'file',
        filename: 'photo.png',
        contentType: 'image/png',
        headers: ['Content-Disposition: form-data; name="file"; filename="photo.png"', 'Content-Type: image/png'],
        bytes: content.length,
        sha256: createHash('sha256').update(content).digest('hex'),
      },
    ],
  });
  expect(simulator.violations).toEqual([]);
});

test('the parser finds the same parts however the bytes are cut', () => {
  const content = Buffer.from(`a\r\n--${boundary.slice(0, -1)}\r\n-`);
  const body = form(content);
  for (let size = 1; size < body.length; size += 1) {
    const parser = new MultipartParser(boundary, 1_000);
    for (let at = 0; at < body.length; at += size) parser.write(body.subarray(at, at + size));
    const { parts, finished, kept } = parser.end();
    expect({ bytes: parts.map((part) => part.bytes), finished, kept }).toEqual({
      bytes: [content.length],
      finished: true,
      kept: content,
    });
  }
});

test('a file in the wrong part, two parts and a cut form are no file', async () => {
  const { simulator, gateway } = await started();
  const whole = form(Buffer.from('a'));
  const bodies = [
    form(Buffer.from('a'), 'data'),
    Buffer.concat([whole.subarray(0, -(boundary.length + 6)), whole]),
    whole.subarray(0, -8),
  ];
  for (const body of bodies) {
    const answer = await gateway(upload, { method: 'POST', body, headers: type });
    expect(answer.json()).toEqual({ result: false, info: 'file can not be null' });
  }
  expect(simulator.violations).toEqual([
    'sendSessionFile: body has a part "data" instead of file',
    'sendSessionFile: body has 2 parts instead of the one part file',
    'sendSessionFile: body ended without the final boundary',
  ]);
  expect(simulator.ledger.entries.map((entry) => entry.processed)).toEqual([false, false, false]);
});

test('an upload that breaks off is in the ledger, incomplete and not processed', async () => {
  const { simulator } = await started();
  const socket = rawSocket(simulator, [
    `POST /wati${upload} HTTP/1.1`,
    `Content-Type: ${type['content-type']}`,
    'Transfer-Encoding: chunked',
  ]);
  const sent = form(Buffer.from('a'));
  socket.write(`${sent.length.toString(16)}\r\n`);
  socket.write(sent);
  await expect.poll(() => simulator.ledger.entries.length).toBe(1);
  socket.write('\r\n', () => socket.destroy());
  await expect.poll(() => simulator.ledger.entries[0]?.parts?.length).toBe(1);
  expect(simulator.ledger.entries[0]).toMatchObject({ complete: false, processed: false, recipients: ['14155551000'] });
  expect(simulator.violations).toEqual([]);
});

test('a plan without media, and a tenant that sends files as text', async () => {
  const { simulator, gateway } = await started();
  simulator.tenant.settings.mediaByApi = false;
  const send = () => gateway(upload, { method: 'POST', body: form(Buffer.from('a')), headers: type });
  expect((await send()).json()).toEqual({ result: false, info: 'Failed to send file' });
  simulator.tenant.settings.mediaByApi = true;
  simulator.tenant.settings.mediaAsText = true;
  expect((await send()).json()).toMatchObject({ ok: true, message: { type: 'text' } });
});

test('the rows of a CSV become template sends', async () => {
  const { simulator, gateway } = await started();
  const csv = '\uFEFFName,CountryCode,Phone,1\r\n"Asha","+91","9812345678","12""34"\r\nBen,+49,15112345678,5678\r\n';
  const path = '/api/v1/sendTemplateMessageCSV';
  const query = { template_name: 'otp_code', broadcast_name: 'codes' };
  const body = form(Buffer.from(csv), 'whatsapp_numbers_csv', 'numbers.csv', 'text/csv');
  expect((await gateway(path, { method: 'POST', query, body, headers: type })).json()).toEqual({ result: true });
  expect(simulator.ledger.entries[0]?.recipients).toEqual(['919812345678', '4915112345678']);
  expect(simulator.tenant.history.get('919812345678')).toMatchObject([{ finalText: '12"34 is your code.' }]);
  const unknown = await gateway(path, {
    method: 'POST',
    query: { ...query, template_name: 'none' },
    body,
    headers: type,
  });
  expect(unknown.json()).toEqual({ result: false, info: 'Template none not found' });
  expect(simulator.violations).toEqual([]);
});
