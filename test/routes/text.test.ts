import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Place, placesOf } from '../support/places.ts';
import { problem } from '../support/problem-type.ts';
import { type Service, startService } from '../support/service.ts';
import { connection } from './files-helper.ts';

describe('text, in every field of every route', () => {
  let service: Service;
  let places: Place[];
  beforeAll(async () => {
    service = await startService({ settings: connection });
    // OpenAPI has no wildcard: its document calls this one by another name than the problem does.
    places = placesOf(service).filter(({ operation }) => !operation.id.startsWith('callNative'));
  });
  beforeEach(() => service.simulator.reset());
  afterAll(() => service.close());

  it.each([
    ['a NUL', 'a\0b'],
    ['a bell', 'a\x07b'],
    ['DEL', 'a\x7fb'],
    ['a control of C1', 'a\x85b'],
    ['the mark of a bad conversion', 'Gr\uFFFD\uFFFDe'],
  ])('with %s is a 400 that names the place, and nothing is called', async (_, text) => {
    expect(places.length).toBeGreaterThan(50);
    for (const { operation, pointer, send } of places) {
      const answer = await send(service, text);
      expect(answer.status, `${operation.id} ${pointer}`).toBe(400);
      expect(JSON.stringify(answer.json), `${operation.id} ${pointer}`).toContain(`"pointer":"${pointer}"`);
    }
    expect(service.simulator.ledger.entries).toEqual([]);
  });

  it.each([
    ['nothing', ''],
    ['blanks', ' \u00a0\u3000'],
    ['what cannot be seen', '\u200b\u2060\ufeff'],
    ['Hangul fillers', '\u3164\u115f'],
    ['Braille blanks', '\u2800'],
    ['tags beyond the first plane', '\u{e0020}\u{e007f}'],
  ])('of %s alone is blank', async (_, text) => {
    const texts = places.filter(({ schema }) => schema['x-text'] !== undefined);
    expect(texts.length).toBeGreaterThan(12);
    for (const { operation, pointer, send } of texts) {
      expect(await send(service, text), `${operation.id} ${pointer}`).toMatchObject({
        status: 400,
        json: { errors: [{ pointer, detail: 'must not be blank' }] },
      });
    }
  });

  it('of one line has no line break', async () => {
    const lines = places.filter(({ schema }) => schema['x-text'] === 'line');
    expect(lines.length).toBeGreaterThan(8);
    for (const { pointer, send } of lines) {
      expect(await send(service, 'a\nb')).toMatchObject({
        status: 400,
        json: { errors: [{ pointer, detail: 'has a line break or a tab, and must be one line' }] },
      });
    }
  });

  it.each([
    'Gru\u0308\u00dfe',
    'Gr\u00fc\u00dfe',
    'a\tb\r\nc',
    '\u{1f468}\u200d\u{1f469}\u200d\u{1f467}',
    '\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645',
  ])('reaches WATI as it was written (%j)', async (text) => {
    const answer = await service.ask('POST', '/v1/messages/text', { json: { to: '14155551000', text } });
    expect(answer.status).toBe(201);
    const messages = await service.ask('GET', '/v1/conversations/14155551000/messages');
    expect(JSON.stringify(messages.json)).toContain(JSON.stringify(text));
  });
});

describe('bytes that are no valid text', () => {
  let service: Service;
  beforeAll(async () => {
    service = await startService({ settings: connection });
  });
  beforeEach(() => service.simulator.reset());
  afterAll(() => service.close());

  it.each([
    ['Latin-1', Buffer.from('{"to":"14155551000","text":"Gr\xfc\xdfe"}', 'latin1')],
    [
      'a cut character',
      Buffer.concat([Buffer.from('{"to":"14155551000","text":"a'), Buffer.from([0xf0, 0x9f]), Buffer.from('"}')]),
    ],
    [
      'a surrogate as UTF-8',
      Buffer.concat([Buffer.from('{"to":"14155551000","text":"'), Buffer.from([0xed, 0xa0, 0x80]), Buffer.from('"}')]),
    ],
    [
      'an overlong NUL',
      Buffer.concat([Buffer.from('{"to":"14155551000","text":"'), Buffer.from([0xc0, 0x80]), Buffer.from('"}')]),
    ],
    ['UTF-16', Buffer.from('\uFEFF{"to":"14155551000","text":"a"}', 'utf16le')],
  ])('in a body (%s) are a 400', async (_, body) => {
    for (const path of ['/v1/messages/text', '/v1/messages/template', '/v1/broadcasts']) {
      const headers = { 'content-type': 'application/json', 'idempotency-key': 'one' };
      expect(await service.ask('POST', path, { body, headers })).toMatchObject({
        status: 400,
        json: { type: problem('malformed-request'), detail: 'the body is not UTF-8' },
      });
    }
    expect(service.simulator.ledger.entries).toEqual([]);
  });

  it.each(['iso-8859-1', '"ISO-8859-1"', 'utf-16', 'windows-1252'])('are not taken as charset=%s', async (charset) => {
    const headers = { 'content-type': `application/json; charset=${charset}` };
    const answer = await service.ask('POST', '/v1/messages/text', { body: '{"to":"14155551000","text":"a"}', headers });
    expect(answer).toMatchObject({ status: 415, json: { detail: expect.stringContaining('charset') } });
  });

  it.each(['utf-8', 'UTF-8', '"utf-8"', 'utf8'])('are text as charset=%s', async (charset) => {
    const headers = { 'content-type': `application/json; charset=${charset}` };
    const answer = await service.ask('POST', '/v1/messages/text', { body: '{"to":"14155551000","text":"a"}', headers });
    expect(answer.status).toBe(201);
  });

  it.each(['caption=Gr%FC%DFe', 'caption=100%', 'caption=%ED%A0%80', 'caption=%C0%80', 'caption=%zz'])(
    'in a query (%s) are a 400, and no file is read',
    async (query) => {
      for (const path of [`/v1/messages/file?to=14155551000&${query}`, `/v1/contacts?name=${query.slice(8)}`]) {
        const method = path.startsWith('/v1/contacts') ? 'GET' : 'POST';
        expect(await service.ask(method, path)).toMatchObject({
          status: 400,
          json: { type: problem('malformed-request'), detail: expect.stringContaining('percent-encoded UTF-8') },
        });
      }
      expect(service.simulator.ledger.entries).toEqual([]);
    },
  );
});
