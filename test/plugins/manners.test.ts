import { hash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { callerEntry, fixedCallers } from '../../src/callers.ts';
import { seededConnection } from '../routes/outcomes.ts';
import { goodRequest, type Operation, operationsOf, record } from '../support/operations.ts';
import { type Service, startService } from '../support/service.ts';
import { wire } from '../support/wire.ts';

const key = 'key-of-somebody-still-here';
const spent = 'key-of-somebody-from-before';
const json = { 'content-type': 'application/json' };

let service: Service;
let operations: Operation[];
beforeAll(async () => {
  const expired = { keys: [{ sha256: hash('sha256', spent), notAfter: '2020-01-01' }] };
  service = await startService({
    settings: { MATON_CONNECTION_ID: seededConnection, NATIVE_PATHS: 'POST /api/v1/chatbots/start' },
    seams: {
      callers: fixedCallers([
        callerEntry('tester', key, { scopes: ['*'] }),
        callerEntry('former', spent, { scopes: ['*'], ...expired }),
      ]),
    },
  });
  operations = operationsOf().filter(({ path }) => path.startsWith('/v1/'));
});
afterAll(() => service.close());

const detailOf = (answer: { json: unknown }) => String(record(answer.json).detail);
const pathOf = (operation: Operation) => {
  const { path, query } = goodRequest(operation);
  return query.length > 0 ? `${path}?${query.join('&')}` : path;
};
const ask = (method: string, path: string, headers: Record<string, string> = {}, body?: string | readonly Buffer[]) =>
  wire(service.url, { method, path, key, headers, ...(body !== undefined && { body }) });

describe('a 401', () => {
  const basic = `Basic ${Buffer.from(`a:${key}`).toString('base64')}`;
  it.each([
    ['no header', undefined, 'no Authorization came'],
    ['an empty one', '', 'Authorization is empty'],
    ['Basic', basic, 'does not go by Basic'],
    ['another scheme', `Token ${key}`, 'another scheme than Bearer'],
    ['the key alone', key, 'the word Bearer is missing'],
    ['Bearer alone', 'Bearer', 'no key stands behind Bearer'],
    ['quotation marks', `Bearer "${key}"`, 'in quotation marks'],
    ['a placeholder', 'Bearer <key>', 'a placeholder'],
    ['a variable that was not put in', 'Bearer $WATI_BFF_KEY', 'a placeholder'],
    ['Bearer twice', `Bearer Bearer ${key}`, 'Bearer stands twice'],
    ['two keys', `Bearer ${key}, ${key}`, 'more than one word'],
    ['a key that is too short', 'Bearer short', '20 to 255 printable ASCII characters'],
    ['a hash', `Bearer ${hash('sha256', key)}`, 'looks like the SHA-256'],
    ['a key of nobody', 'Bearer key-that-nobody-ever-made', 'is not known here'],
    ['a key that has expired', `Bearer ${spent}`, 'has expired'],
  ])('says in its own words what is wrong with %s, and repeats nothing of it', async (_name, authorization, words) => {
    const headers = authorization === undefined ? {} : { authorization };
    const answer = await wire(service.url, { method: 'GET', path: '/v1/contacts', key: null, headers });
    expect([answer.status, answer.headers['www-authenticate']]).toEqual([401, 'Bearer']);
    expect(detailOf(answer)).toContain(words);
    for (const secret of [key, spent, hash('sha256', key)]) expect(answer.text).not.toContain(secret);
  });
});

describe('a body', () => {
  it('that is empty counts as absent, whatever its type: accepted if none is needed, else refused in words', async () => {
    for (const operation of operations.filter(
      ({ method, form, path }) => method !== 'GET' && !form && !path.startsWith('/v1/native/'),
    )) {
      const { headers } = goodRequest(operation);
      for (const type of ['application/json', 'application/x-www-form-urlencoded', undefined]) {
        const own = { ...headers, ...(type !== undefined && { 'content-type': type }) };
        const answer = await ask(operation.method, pathOf(operation), own, '');
        const about = `${operation.id} ${type}: ${answer.text}`;
        const required = operation.body?.required !== undefined || operation.body?.minProperties !== undefined;
        const [fault] = [record(answer.json).errors].flat().map(record);
        if (required) {
          expect(answer.status, about).toBe(400);
          expect(fault, about).toEqual({
            pointer: '',
            detail: expect.stringMatching(/^a JSON body is wanted: an object/),
          });
        } else expect([400, 415, 500], about).not.toContain(answer.status);
      }
    }
    const chunks = await ask('POST', '/v1/broadcasts/nothing/pause', json, []);
    expect(chunks.status).toBe(404);
  });

  it('of another type is a 415 that names the received and the expected type', async () => {
    for (const operation of operations.filter(({ body, form }) => body !== undefined || form)) {
      const wanted = operation.form ? 'multipart/form-data' : 'application/json';
      const { headers } = goodRequest(operation);
      for (const [type, came] of [
        ['text/csv; charset=utf-8', 'the Content-Type is text/csv'],
        [`x/${'y'.repeat(200)}`, 'the Content-Type is no type'],
        ['nonsense', 'the Content-Type is no type'],
      ]) {
        const answer = await ask(operation.method, pathOf(operation), { ...headers, 'content-type': type ?? '' }, 'a');
        expect([answer.status, detailOf(answer)], operation.id).toEqual([415, `${came}; ${wanted} is wanted`]);
      }
      const bare = await ask(operation.method, pathOf(operation), headers, 'a');
      expect([bare.status, detailOf(bare)], operation.id).toEqual([415, `no Content-Type came; ${wanted} is wanted`]);
    }
  });

  it.each(['gzip', 'br', 'deflate, gzip', 'identity, gzip', 'x'.repeat(100)])(
    'that is coded (%.20s) is a 415 that names the coding and the remedy, on every route',
    async (coding) => {
      for (const operation of operations.filter(({ method }) => method !== 'GET')) {
        const { headers } = goodRequest(operation);
        const type = operation.form ? 'multipart/form-data; boundary=b' : 'application/json';
        const own = { ...headers, 'content-type': type, 'content-encoding': coding };
        const answer = await ask(operation.method, pathOf(operation), own, '{}');
        expect([answer.status, answer.headers['accept-encoding']], operation.id).toEqual([415, 'identity']);
        expect(detailOf(answer)).toContain(`"${coding.slice(0, 40)}"`);
        expect(detailOf(answer)).toContain('send the body as it is');
      }
    },
  );

  it('that is coded as identity is accepted', async () => {
    const body = '{"to":"14155551000","text":"Hello"}';
    expect((await ask('POST', '/v1/messages/text', { ...json, 'content-encoding': 'Identity' }, body)).status).toBe(
      201,
    );
  });
});

describe('an unknown path', () => {
  it.each([
    ['/v1/mesages/text', '/v1/messages/text'],
    ['/v1/broadcasts/one/resum', '/v1/broadcasts/{id}/resume'],
    ['/v1/contact/14155551000', '/v1/contacts/{recipient}'],
    ['/contacts', '/v1/contacts'],
    ['/v1/broadcast', '/v1/broadcasts'],
    ['/v1/templates/order_update/previw', '/v1/templates/{name}/preview'],
    ['/v1/template/', '/v1/templates'],
    ['/helth/live', '/health/live'],
    ['/v1/webhook-endpoints/whe_1/enable', 'PATCH /v1/webhook-endpoints/{id} with `{"status": "enabled"}`'],
    [`/v1/webhook-endpoints/${'e'.repeat(40)}/events`, '/v1/webhook-endpoints/{id}/deliveries'],
    ['/v1/webhook-endpoints/whe_1/deliverys', '/v1/webhook-endpoints/{id}/deliveries'],
    ['/v1/webhook-endpoint/whe_1', '/v1/webhook-endpoints/{id}'],
    ['/v1/webhooks', '/v1/webhook-endpoints'],
  ])('%s may have been meant as %s', async (path, meant) => {
    const answer = await ask('GET', path);
    expect([answer.status, detailOf(answer)]).toEqual([404, `there is no such path; did you mean ${meant}?`]);
  });

  it('is likened to no path of another word, however long the values of its parameters are', async () => {
    for (const word of ['pause', 'start', 'stop', 'orders']) {
      const answer = await ask('GET', `/v1/webhook-endpoints/${'e'.repeat(64)}/${word}`);
      expect(detailOf(answer), word).toBe('there is no such path');
    }
  });

  it('is quoted only in part', async () => {
    for (const path of [`/v1/${'a'.repeat(5_000)}`, `/${'b/'.repeat(3_000)}`, '/v1/%3Cscript%3E']) {
      const answer = await ask('GET', path);
      expect(answer.status).toBe(404);
      expect(answer.text.length).toBeLessThan(600);
      expect(detailOf(answer)).toBe('there is no such path');
    }
  });

  it('reveals nothing about paths without a key', async () => {
    const answer = await wire(service.url, { method: 'GET', path: '/v1/contact', key: null });
    expect([answer.status, answer.text]).toEqual([401, expect.not.stringContaining('did you mean')]);
  });
});
