import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Place, placesOf } from '../support/places.ts';
import { problem } from '../support/problem-type.ts';
import { type Service, startService } from '../support/service.ts';
import { connection } from './files-helper.ts';

const usKey = 'test-key-of-a-caller-for-the-us';
const everywhere = { name: 'us-only', key: usKey, scopes: ['*'], countries: ['US', 'CA'] };

describe('a recipient, on every route that takes one', () => {
  let service: Service;
  let places: Place[];
  beforeAll(async () => {
    service = await startService({ settings: connection, callers: [everywhere] });
    places = placesOf(service).filter(({ schema }) => schema['x-recipient'] !== undefined);
  });
  beforeEach(() => service.simulator.reset());
  afterAll(() => service.close());
  /** Files flow through and need a form: their query is checked before it is read. */
  const sendable = () => places.filter(({ operation }) => !operation.form);

  it('is accepted in the body, the query and the path', () => {
    const named = places.map(({ operation, pointer }) => `${operation.id} ${pointer}`);
    expect(named).toEqual(
      expect.arrayContaining([
        'sendText /to',
        'sendTemplate /to',
        'sendButtons /to',
        'sendList /to',
        'sendFileLink /to',
        'sendFile /query/to',
        'listMessages /query/to',
        'createBroadcast /recipients/0/to',
        'getContact /path/recipient',
        'putContact /path/recipient',
        'listConversationMessages /path/recipient',
      ]),
    );
  });

  it.each([
    ['4155551000', /Switzerland \(\+41\).*is the country code missing\?/],
    ['4407700900123', /0 behind the country code of United Kingdom/],
    ['91919812345670', /India \(\+91\) twice/],
    ['0014155551000', /without 00 in front/],
    ['whatsapp:+14155551000', /without|alone/],
    ['415-555-1000', /behind a \+ only/],
    ['hello', /letters/],
    ['\u200e+14155551000', /invisible/],
  ])('that is none (%s) is a 400 which says why, and nothing is called', async (text, words) => {
    for (const { operation, pointer, send } of places) {
      const answer = await send(service, text);
      expect(answer, `${operation.id} ${pointer}`).toMatchObject({
        status: 400,
        json: { errors: [{ pointer, detail: expect.stringMatching(words) }] },
      });
    }
    expect(service.simulator.ledger.entries).toEqual([]);
  });

  it('with blanks, dots, dashes and brackets after its plus is sent as digits', async () => {
    for (const { operation, pointer, send } of sendable()) {
      service.simulator.reset();
      const { status } = await send(service, '+1 (415) 555-1000');
      expect(status, `${operation.id} ${pointer}`).toBeLessThan(300);
      const seen = JSON.stringify(service.simulator.ledger.entries);
      expect(seen, operation.id).not.toMatch(/415\)|%20\(|555-1000/);
    }
  });

  it('is no contact id or BSUID where WATI takes only a number', async () => {
    const phoneOnly = sendable().filter(({ schema }) => schema['x-recipient'] === 'phone');
    expect(phoneOnly.length).toBeGreaterThan(0);
    for (const { pointer, send } of phoneOnly) {
      const detail = 'is an id: a phone number with its country code is needed here';
      expect(await send(service, 'US.123124141512')).toMatchObject({
        status: 400,
        json: { errors: [{ pointer, detail }] },
      });
    }
  });

  it('may be a BSUID of an enterprise', async () => {
    const answer = await service.ask('POST', '/v1/messages/text', {
      json: { to: 'US.ENT.11815799212886844830', text: 'Hi' },
    });
    expect(answer.status).not.toBe(400);
  });

  it('of a country that the caller may not send to is a 400', async () => {
    const ask: Service['ask'] = (method, path, rest) => service.ask(method, path, { ...rest, key: usKey });
    const narrowed = placesOf({ ...service, ask }).filter(({ schema }) => schema['x-recipient'] !== undefined);
    for (const { operation, pointer, send } of narrowed) {
      expect(await send(service, '4795551000'), `${operation.id} ${pointer}`).toMatchObject({
        status: 400,
        json: {
          type: problem('validation-failed'),
          errors: [
            { pointer, detail: expect.stringMatching(/Norway \(\+47\).*US, CA.*is the country code missing\?/) },
          ],
        },
      });
    }
    expect(service.simulator.ledger.entries).toEqual([]);
    const sent = await ask('POST', '/v1/messages/text', { json: { to: '14155551000', text: 'Hi' } });
    expect(sent.status).toBe(201);
  });
});

describe('DEFAULT_COUNTRIES', () => {
  it('restricts callers whose entry names none, and no other', async () => {
    const key = 'test-key-of-a-caller-for-norway';
    const service = await startService({
      settings: { ...connection, DEFAULT_COUNTRIES: 'US, CA', NATIVE_PATHS: 'POST /api/v1/chatbots/start' },
      callers: [{ name: 'norway', key, scopes: ['*'], countries: ['NO'] }],
    });
    const send = (to: string, as?: string) =>
      service.ask('POST', '/v1/messages/text', { json: { to, text: 'Hi' }, ...(as !== undefined && { key: as }) });
    expect((await send('14155551000')).status).toBe(201);
    expect((await send('4795551000')).status).toBe(400);
    expect((await send('14155551000', key)).status).toBe(400);
    expect((await send('4795551000', key)).status).not.toBe(400);
    // A native call could pass it by.
    const native = '/v1/native/api/v1/chatbots/start?whatsappNumber=4795551000&chatbotId=6622a1f0c3b4d5e6f7a8b901';
    expect((await service.ask('POST', native)).status).toBe(403);
    await service.close();
  });

  it('does not change a caller whose entry has an empty list', async () => {
    const key = 'test-key-of-a-caller-for-nowhere';
    const callers = [{ name: 'nowhere', key, scopes: ['*'], countries: [] }];
    const service = await startService({ settings: connection, callers });
    const answer = await service.ask('POST', '/v1/messages/text', { json: { to: '14155551000', text: 'Hi' }, key });
    expect(answer).toMatchObject({ status: 400, json: { errors: [{ pointer: '/to' }] } });
    await service.close();
  });
});
