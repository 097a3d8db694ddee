import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Service, startService } from '../support/service.ts';
import { BOUNDARY, form, JPEG, PNG } from '../upload/multipart-helper.ts';
import { MP3, tag, zipFile } from '../upload/sample-files.ts';
import { connection, csvPath, filePath, post } from './files-helper.ts';

const importPath = '/v1/broadcasts/import?template=welcome&broadcastName=hello';
const end = `\r\n--${BOUNDARY}--\r\n`;
const people = 'Phone\r\n919812345678\r\n';
const named = (parameters: string) => `form-data; name="file"; ${parameters}`;

let turn = 0;
const keyed = () => {
  turn += 1;
  return { 'idempotency-key': `files-${turn}` };
};

describe('a form as real programs write it', () => {
  let service: Service;
  beforeAll(async () => {
    service = await startService({ settings: connection });
  });
  beforeEach(() => service.simulator.reset());
  afterAll(() => service.close());

  const csv = (more: object) =>
    form({ disposition: named('filename="a.csv"'), type: 'text/csv', file: people, ...more });

  it.each<[string, string, Buffer, number]>([
    ['a file', filePath, form({ end: `${end}\r\n` }), 201],
    ['a CSV', csvPath, csv({ end: `${end}\r\n` }), 201],
    ['an import', importPath, csv({ end: `${end}\r\n` }), 202],
    ['a file with many line ends', filePath, form({ end: `${end}${' \r\n\n'.repeat(200)}` }), 201],
    ['an import declared as a CSV of another name', importPath, csv({ type: 'application/x-csv' }), 202],
    ['an import declared as nothing known', importPath, csv({ type: 'binary/octet-stream' }), 202],
    ['a CSV declared as nothing known', csvPath, csv({ type: 'text/x-comma-separated-values' }), 201],
  ])('is taken behind its closing boundary as well: %s', async (_, path, body, status) => {
    for (const chunked of [false, true]) {
      expect(await post(service, body, { path, chunked, headers: keyed() })).toMatchObject({ status });
    }
    if (status === 202) return;
    const entries = service.simulator.ledger.entries.filter(({ parts }) => parts !== undefined);
    expect(entries).toHaveLength(2);
    for (const entry of entries) expect(entry).toMatchObject({ complete: true, processed: true });
  });

  it.each<[string, string, Buffer]>([
    ['a file', filePath, form({ file: Buffer.concat([JPEG, Buffer.from(`${end}\r\n rest`)]) })],
    ['a CSV', csvPath, csv({ file: `${people}${end}919812345679\r\n` })],
    ['an import', importPath, csv({ file: `${people}${end}\r\n919812345679\r\n` })],
  ])('that holds the closing boundary is never sent short: %s', async (_, path, body) => {
    for (const chunked of [false, true]) {
      expect(await post(service, body, { path, chunked, headers: keyed() })).toMatchObject({
        status: 400,
        json: { detail: expect.stringContaining('bytes other than line ends and blanks follow') },
      });
    }
    const files = service.simulator.ledger.entries.filter(({ method }) => method === 'POST');
    expect(files.filter(({ complete, processed }) => complete || processed)).toEqual([]);
  });

  it.each([
    ['filename="=?utf-8?B?UmVjaG51bmcgw7wuanBn?="', 'Rechnung ü.jpg'],
    ['filename="Rechnung%20%C3%BC.jpg"', 'Rechnung ü.jpg'],
    ["filename=x.jpg; filename*=utf-8''Rechnung%20%C3%BC.jpg", 'Rechnung ü.jpg'],
    ['filename="Rechnung \\"A\\".jpg"', "Rechnung 'A'.jpg"],
    ['filename="Rechnung %22A%22.jpg"', "Rechnung 'A'.jpg"],
    ['filename="C:\\Users\\me\\Rechnung.jpg"', 'Rechnung.jpg'],
    ['filename="invoice.exe"', 'invoice.exe.jpg'],
  ])('shows the customer and the caller one name: %s', async (parameters, fileName) => {
    const headers = keyed();
    const body = form({ disposition: named(parameters) });
    const answer = await post(service, body, { headers });
    expect(answer).toMatchObject({ status: 201 });
    const json = JSON.parse(Buffer.from(answer.text, 'latin1').toString());
    expect(json).toMatchObject({ kind: 'file', fileName });
    expect(service.simulator.ledger.of('sendSessionFile')[0]?.parts).toMatchObject([{ filename: fileName }]);
    const record = await service.ask('GET', `/v1/messages/${json.id}`);
    expect(record.json).toMatchObject({ fileName });
    const replayed = await post(service, body, { headers });
    expect(replayed).toMatchObject({ status: 201, text: answer.text });
  });

  it('shows the name of a CSV, and one of our own where nothing is left of a name', async () => {
    const coded = csv({ disposition: named('filename="=?utf-8?Q?Kunden_=C3=BC.csv?="') });
    const sent = await post(service, coded, { path: csvPath, headers: keyed() });
    expect(Buffer.from(sent.text, 'latin1').toString()).toContain('"fileName":"Kunden ü.csv"');
    const nameless = await post(service, form({ disposition: named('filename=".."') }));
    expect(nameless.json.fileName).toMatch(/^file-[0-9a-f-]{36}\.jpg$/);
    const text = await service.ask('POST', '/v1/messages/text', { json: { to: '14155551000', text: 'Hi' } });
    expect(text.json).not.toHaveProperty('fileName');
  });

  it('is refused with what it was recognized as, and no call is made', async () => {
    const macros = zipFile([
      ['xl/workbook.xml', ''],
      ['xl/vbaProject.bin', ''],
    ]);
    for (const [parameters, type, file, detail] of [
      ['filename="a.jpg"', 'image/jpeg', PNG, 'and it is a PNG image: declare what it is, or nothing'],
      ['filename="a.gif"', 'image/gif', Buffer.from('GIF89a\0'), 'it is a GIF image; images are taken as .jpg'],
      ['filename="a.xlsx"', 'application/zip', macros, 'the file has macros'],
    ] as const) {
      expect(await post(service, form({ disposition: named(parameters), type, file }))).toMatchObject({
        status: 415,
        json: { outcome: 'not_sent', detail: expect.stringContaining(detail) },
      });
    }
    expect(service.simulator.ledger.of('sendSessionFile')).toEqual([]);
  });

  it('with a cover of 900 KB before its audio arrives byte for byte', async () => {
    const file = Buffer.concat([tag(900_000), MP3]);
    const body = form({ disposition: named('filename="song"'), type: 'binary/octet-stream', file });
    for (const chunked of [false, true])
      expect((await post(service, body, { chunked })).json.fileName).toBe('song.mp3');
    const sent = service.simulator.ledger.of('sendSessionFile');
    expect(sent.map(({ parts }) => parts?.[0]?.bytes)).toEqual([file.length, file.length]);
  });
});
