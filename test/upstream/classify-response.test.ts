import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { successOf } from '../../src/upstream/answers/success-flags.ts';
import type { AttemptResult } from '../../src/upstream/attempt-result.ts';
import { classify, classifyBatch } from '../../src/upstream/classify-response.ts';
import type { HttpFailure, HttpResult } from '../../src/upstream/types.ts';

const answered = (status: number, body: unknown, headers = {}): HttpResult => ({
  kind: 'answered',
  status,
  headers,
  text: typeof body === 'string' ? body : JSON.stringify(body),
});
const coded = (code: string) => Object.assign(new Error('x'), { code });
const failed = (more: Partial<HttpFailure>): HttpResult => ({
  kind: 'failed',
  bytesSent: true,
  timedOut: false,
  cause: coded('ECONNRESET'),
  ...more,
});

/** `accepted`, `unknown`, `not_sent heals`, `rejected other`, ...: what follows from it. */
function word(result: AttemptResult | undefined): string {
  if (!result) return 'nothing';
  if (result.outcome === 'rejected') return `rejected ${result.refusal}`;
  return result.outcome === 'not_sent' ? `not_sent ${result.retryable ? 'heals' : 'stays'}` : result.outcome;
}

describe('a failure is classified by its phase, not by its code', () => {
  const codes = [
    'ECONNRESET',
    'UND_ERR_SOCKET',
    'ECONNREFUSED',
    'ENOTFOUND',
    'UND_ERR_CONNECT_TIMEOUT',
    'HPE_INVALID',
    'WHATEVER',
  ];
  it.each(codes)('%s', (code) => {
    expect(word(classify(failed({ bytesSent: false, cause: coded(code) })))).toBe('not_sent heals');
    expect(word(classify(failed({ bytesSent: true, cause: coded(code) })))).toBe('unknown');
    expect(word(classify(failed({ bytesSent: true, cause: coded(code), timedOut: true })))).toBe('unknown');
  });

  it.each([
    'DEPTH_ZERO_SELF_SIGNED_CERT',
    'ERR_TLS_CERT_ALTNAME_INVALID',
    'ERR_SSL_WRONG_VERSION_NUMBER',
    'CERT_HAS_EXPIRED',
  ])('%s does not heal', (code) =>
    expect(word(classify(failed({ bytesSent: false, cause: coded(code) })))).toBe('not_sent stays'),
  );

  it.each([
    [200, 'unknown'],
    [500, 'unknown'],
    [301, 'unknown'],
    [422, 'rejected other'],
    [401, 'rejected credentials'],
    [307, 'rejected redirect'],
    [404, 'rejected recipient'],
    [421, 'not_sent heals'],
    [425, 'not_sent heals'],
    [429, 'not_sent heals'],
  ])('a body that broke after %i is %s', (status, wanted) => expect(word(classify(failed({ status })))).toBe(wanted));

  it('a 429 whose body was cut off still has its Retry-After', () => {
    const result = classify(failed({ status: 429, headers: { 'retry-after': '2' } }));
    expect(result).toMatchObject({ outcome: 'not_sent', retryAfterMs: 2_000 });
  });
});

describe('a status is classified as docs/reference/delivery.md says', () => {
  const table: [number[], string][] = [
    [[300, 307, 308], 'rejected redirect'],
    [[400], 'rejected bad-request'],
    [[401, 403], 'rejected credentials'],
    [[404], 'rejected recipient'],
    [[405, 406, 409, 410, 411, 413, 414, 415, 417, 422, 431, 501, 505], 'rejected other'],
    [[421, 425, 429], 'not_sent heals'],
    [[301, 302, 303, 304, 402, 407, 408, 418, 451, 500, 502, 503, 504, 520, 599, 101, 600], 'unknown'],
    [[200, 201, 202, 204, 299], 'unknown'],
  ];
  it.each(table.flatMap(([statuses, wanted]) => statuses.map((status) => [status, wanted] as const)))(
    '%i with an empty body is %s',
    (status, wanted) => expect(word(classify(answered(status, '')))).toBe(wanted),
  );

  it('never trusts a body against a status that is no success', () => {
    fc.assert(
      fc.property(fc.integer({ min: 300, max: 599 }), (status) => {
        expect(classify(answered(status, { ok: true, result: 'success' })).outcome).not.toBe('accepted');
      }),
    );
  });

  it('accepts nothing without an explicit success flag', () => {
    fc.assert(
      fc.property(fc.json(), (text) => {
        const body: unknown = JSON.parse(text);
        if (classify(answered(200, text)).outcome === 'accepted') expect(Object.keys(Object(body))).toContain('result');
      }),
    );
  });

  it.each([
    ['0', 0],
    ['7', 7_000],
    ['86400', 60_000],
    ['soon', undefined],
    ['-1', undefined],
    ['1.5', undefined],
    [undefined, undefined],
    ['Thu, 01 Jan 1970 00:00:00 GMT', 0],
  ])('Retry-After %s is %s ms', (value, ms) => {
    const headers = value === undefined ? {} : { 'retry-after': value };
    const result = classify(answered(429, '', headers));
    expect(result.outcome === 'not_sent' ? result.retryAfterMs : 'not a not_sent').toBe(ms);
  });
});

describe('the flags of a 200 mean for the whole call:', () => {
  it.each<[object, 'yes' | 'no' | 'unclear']>([
    [{ result: true }, 'yes'],
    [{ result: 'TRUE' }, 'yes'],
    [{ result: 'Success' }, 'yes'],
    [{ Result: true }, 'yes'],
    [{ success: true, error: null }, 'yes'],
    [{ success: true, error: ' ' }, 'yes'],
    [{ success: true, error: {} }, 'yes'],
    [{ ok: true, result: { id: 7 } }, 'yes'],
    [{ result: '693fd65f1c2b3a4d5e6f7081' }, 'yes'],
    [{ result: 'd38f0c3a-1b2c-4d5e-8f90-a1b2c3d4e5f6' }, 'yes'],
    [{ result: 'wamid.HBgM' }, 'yes'],
    [{ success: true, error: 'no' }, 'unclear'],
    [{ result: true, OK: false }, 'unclear'],
    [{ result: true, message: 'Ticket has been expired.' }, 'unclear'],
    [{ result: true, ticketStatus: 'CLOSED' }, 'unclear'],
    [{ ok: true, result: 'queued' }, 'unclear'],
    [{ ok: false }, 'no'],
    [{ result: 'false' }, 'no'],
    [{ result: 'FAILED' }, 'no'],
    [{ result: "Can't find Contact" }, 'no'],
    [{ error: 'no' }, 'no'],
    [{ error: { message: 'no' } }, 'no'],
    [{ result: '' }, 'unclear'],
    [{ result: 'ok' }, 'unclear'],
    [{ result: 'sent' }, 'unclear'],
    [{ result: null, ok: undefined }, 'unclear'],
    [{ result: 1 }, 'unclear'],
    [{ result: {} }, 'unclear'],
    [{}, 'unclear'],
  ])('%j: %s', (body, said) => expect(successOf({ ...body })).toBe(said));
});

describe('the answer to a template is classified by our receiver', () => {
  const ours = { phone: '14155551000', localMessageId: 'own' };
  const answer = (receivers: unknown, more = {}) =>
    classifyBatch(answered(200, { result: true, error: null, receivers, ...more }), [ours])[0];
  const mine = { localMessageId: 'own', waId: '14155551000', isValidWhatsAppNumber: true, errors: [] };

  it.each<[string, unknown, string]>([
    ['fine', [mine], 'accepted'],
    ['by its id alone', [{ localMessageId: 'own' }], 'accepted'],
    ['by its number alone', [{ waId: '14155551000' }], 'accepted'],
    ['by its number with a plus', [{ waId: '+14155551000' }], 'accepted'],
    ['among others that failed', [{ waId: '1', errors: ['no'] }, mine, null, 'x'], 'accepted'],
    ['errors null', [{ ...mine, errors: null }], 'accepted'],
    ['an error as a string', [{ ...mine, errors: ['no'] }], 'rejected other'],
    ['an error that is a code', [{ ...mine, errors: [{ code: 131026 }] }], 'rejected recipient'],
    ['an error that is a code of nobody', [{ ...mine, errors: [{ code: 999999 }] }], 'rejected other'],
    ['an error in words of its own', [{ ...mine, errors: [{ title: 'Message undeliverable' }] }], 'rejected other'],
    ['an empty error', [{ ...mine, errors: [{}] }], 'rejected other'],
    ['a list of an empty list', [{ ...mine, errors: [[]] }], 'accepted'],
    ['a map of empty lists', [{ ...mine, errors: { '14155551000': [[]] } }], 'accepted'],
    ['no errors, counted', [{ ...mine, errors: 0 }], 'accepted'],
    ['an error in a list of lists', [{ ...mine, errors: [['no']] }], 'rejected other'],
    ['nothing but an empty map of errors', [{ ...mine, errors: {} }], 'accepted'],
    [
      'an error as an object',
      [{ ...mine, errors: [{ code: 1, description: 'Ticket has been expired.' }] }],
      'rejected window-closed',
    ],
    [
      'an error with a message',
      [{ ...mine, errors: [{ message: 'Check your template, it cannot have typos or blank text' }] }],
      'rejected template-parameters',
    ],
    ['errors as a map', [{ ...mine, errors: { '14155551000': ['Contact not found'] } }], 'rejected recipient'],
    ['not on WhatsApp', [{ ...mine, isValidWhatsAppNumber: false }], 'rejected recipient'],
    ['under another form of the number, and alone', [{ waId: '1' }], 'accepted'],
    ['missing among two', [{ waId: '1' }, { waId: '2' }], 'unknown'],
    ['nobody', [], 'unknown'],
    ['no list', undefined, 'accepted'],
  ])('%s', (_name, receivers, wanted) => expect(word(answer(receivers))).toBe(wanted));

  it.each<[string, unknown, string]>([
    ['of ours', { '14155551000': ['no'] }, 'rejected other'],
    ['under a name that is nobody', { '1': ['no'] }, 'rejected other'],
    ['in a list', ['no'], 'rejected other'],
    ['none', [], 'accepted'],
  ])('without receivers, errors %s', (_name, errors, wanted) =>
    expect(word(answer(undefined, { errors }))).toBe(wanted),
  );

  it('keeps the id of WATI if it differs from ours', () => {
    expect(answer([{ ...mine, localMessageId: 'theirs' }])).toEqual({ outcome: 'accepted', localMessageId: 'theirs' });
  });

  it.each<[string, string]>([
    ['Template x not found', 'template'],
    ['The template is PAUSED', 'template'],
    ['no such template', 'template'],
    ['Missing parameter 1', 'template-parameters'],
    ['Insufficient credits', 'account'],
    ['Phone number is not a WhatsApp number', 'recipient'],
    ["Can't find Contact", 'recipient'],
    ['cant find contact', 'recipient'],
    ['TICKET HAS BEEN EXPIRED', 'window-closed'],
  ])('%s is about: %s', (error, refusal) => {
    expect(classifyBatch(answered(200, { result: false, error, receivers: [] }), [ours])[0]).toEqual({
      outcome: 'rejected',
      refusal,
      detail: error,
      status: 200,
    });
  });
});

describe('the answer to a bulk call is classified receiver by receiver', () => {
  const three = ['1', '2', '3'].map((id) => ({ phone: `1415555000${id}`, localMessageId: id }));
  const named = (id: string, more = {}) => ({ localMessageId: id, isValidWhatsAppNumber: true, errors: [], ...more });

  it.each<[string, object, string[]]>([
    ['in any order', { receivers: [named('3'), named('1'), named('2')] }, ['accepted', 'accepted', 'accepted']],
    ['one is missing', { receivers: [named('3'), named('1')] }, ['accepted', 'unknown', 'accepted']],
    [
      'one too many',
      { receivers: [named('9', { errors: ['no'] }), named('1'), named('2'), named('3')] },
      ['accepted', 'accepted', 'accepted'],
    ],
    [
      'one has opted out, one is not on WhatsApp',
      {
        receivers: [
          named('1', { errors: ['Contact has opted out'] }),
          named('2', { isValidWhatsAppNumber: false }),
          named('3'),
        ],
      },
      ['rejected opted-out', 'rejected recipient', 'accepted'],
    ],
    ['nobody is named', {}, ['accepted', 'accepted', 'accepted']],
    [
      'nobody is named, a map of errors',
      { errors: { '14155550002': ['no'] } },
      ['accepted', 'rejected other', 'accepted'],
    ],
    ['nobody is named, an error of somebody', { errors: ['no'] }, ['unknown', 'unknown', 'unknown']],
    [
      'one is not on WhatsApp, and it is not said who',
      { validWhatsAppNumber: false },
      ['unknown', 'unknown', 'unknown'],
    ],
    ['refused as a whole', { result: false, error: 'Template x not found' }, Array(3).fill('rejected template')],
    ['refused, with nobody named', { result: false, receivers: [] }, Array(3).fill('rejected other')],
    [
      'refused, and nothing held against two',
      { result: false, receivers: [named('1', { errors: ['Contact has opted out'] }), named('2'), named('3')] },
      ['rejected opted-out', 'unknown', 'unknown'],
    ],
    ['yes and no', { result: true, ok: false }, ['unknown', 'unknown', 'unknown']],
  ])('%s', (_name, body, wanted) =>
    expect(classifyBatch(answered(200, { result: true, ...body }), three).map(word)).toEqual(wanted),
  );

  it('has one result for all receivers if the call failed as a whole', () => {
    const results = classifyBatch(answered(429, '', { 'retry-after': '2' }), three);
    expect(results[0]).toMatchObject({ outcome: 'not_sent', retryAfterMs: 2_000 });
    expect(new Set(results).size).toBe(1);
  });
});

describe('a media answer', () => {
  it.each([
    [{ media: true }, 'text', true],
    [{ media: true }, 'image', undefined],
    [{}, 'text', undefined],
  ])('%j that came back as %s: deliveredAsText %s', (expected, type, deliveredAsText) => {
    const result = classify(answered(200, { ok: true, message: { type, whatsappMessageId: 'wamid.1' } }), expected);
    expect(result).toEqual({
      outcome: 'accepted',
      whatsappMessageId: 'wamid.1',
      ...(deliveredAsText && { deliveredAsText }),
    });
  });
});
