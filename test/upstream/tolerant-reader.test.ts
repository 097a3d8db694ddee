import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { reasonOf } from '../../src/upstream/answers/reason.ts';
import { fill, readTemplate } from '../../src/upstream/templates.ts';
import {
  asArray,
  asBoolean,
  asNumber,
  asString,
  isoDate,
  params,
  parseJson,
} from '../../src/upstream/tolerant-reader.ts';

describe('a date', () => {
  it.each([
    ['May-14-2024', '2024-05-14T00:00:00.000Z'],
    ['may-4-2024', '2024-05-04T00:00:00.000Z'],
    ['Foo-14-2024', undefined],
    ['05-14-2024', undefined],
    ['2026-05-04T08:15:30.123Z', '2026-05-04T08:15:30.123Z'],
    ['2026-05-04T08:15:30', '2026-05-04T08:15:30.000Z'],
    ['2026-05-04T08:15:30.1234567', '2026-05-04T08:15:30.123Z'],
    ['2026-05-04T08:15:30+02:00', '2026-05-04T06:15:30.000Z'],
    ['2026-05-04T08:15:30-0230', '2026-05-04T10:45:30.000Z'],
    ['2025-12-08T07:20:53.488460Z', '2025-12-08T07:20:53.488Z'],
    ['2026-05-04', '2026-05-04T00:00:00.000Z'],
    ['2026-05-04 08:15:30 +02:00', '2026-05-04T06:15:30.000Z'],
    ['2026-05-04T', undefined],
    ['2026-13-04', undefined],
    ['1714810530', '2024-05-04T08:15:30.000Z'],
    [1714810530, '2024-05-04T08:15:30.000Z'],
    ['1714810530123', '2024-05-04T08:15:30.123Z'],
    ['yesterday', undefined],
    ['', undefined],
    [null, undefined],
    [{}, undefined],
    [Number.NaN, undefined],
  ])('%j is %s', (value, wanted) => expect(isoDate(value)).toBe(wanted));

  it('without a zone is UTC wherever the service runs', () => {
    const before = process.env.TZ;
    process.env.TZ = 'America/New_York';
    try {
      expect(isoDate('2026-05-04 08:15:30')).toBe('2026-05-04T08:15:30.000Z');
      expect(isoDate('2026-05-04T08:15:30')).toBe('2026-05-04T08:15:30.000Z');
      expect(isoDate('May-14-2024')).toBe('2024-05-14T00:00:00.000Z');
    } finally {
      if (before === undefined) delete process.env.TZ;
      else process.env.TZ = before;
    }
  });
});

describe('a reason', () => {
  it.each<[unknown, string, string]>([
    [{ message: 'm', error: 'e', detail: 'd', info: 'i' }, '', 'm'],
    [{ message: { text: 'x' }, info: 'i' }, '', 'i'],
    [{ message: ' ', error: { message: 'inner' } }, '', 'inner'],
    [{ error: 'e', detail: 'd' }, '', 'e'],
    [{ detail: 'd' }, '', 'd'],
    [{ title: 't' }, '', 't'],
    [{ result: 'no credit' }, '', 'no credit'],
    [{ result: 'false' }, '', 'no reason was given'],
    [{ items: [{ code: 'a', description: 'one' }, { description: 'two' }] }, '', 'one; two'],
    [{ errors: { name: ['is blank', 'is short'], to: ['is bad'] } }, '', 'is blank; is short; is bad'],
    [[{ description: 'one' }, 'two'], '', 'one; two'],
    [{}, '{}', 'no reason was given'],
    [undefined, '', 'no reason was given'],
    [undefined, ' Too\n many  requests ', 'Too many requests'],
    [undefined, '\n <html>', 'the upstream returned HTML'],
    [{ message: 'see https://ctrl.maton.ai/x?token=1 or live.wati.io' }, '', 'see [address] or [host]'],
    [{ message: 'Bearer abc.def refused' }, '', '[credentials] refused'],
    [{ message: 'x'.repeat(400) }, '', `${'x'.repeat(297)}...`],
  ])('%j %j is %j', (body, text, wanted) => expect(reasonOf(body, text)).toBe(wanted));
});

describe('the readers', () => {
  it.each<[unknown, object]>([
    [[{ name: 'a', value: '1' }], { a: '1' }],
    [[{ paramName: 'a', paramValue: '1' }], { a: '1' }],
    [
      [
        { name: 'a', value: 7 },
        { name: 'b', value: null },
        { name: 'c', value: '' },
      ],
      { a: '7', b: '', c: '' },
    ],
    [[null, 'x', {}, { value: 'x' }, { name: ' ', value: 'x' }], {}],
    [null, {}],
    [{ a: '1' }, {}],
  ])('reads %j as the attributes %j', (value, wanted) => expect(params(value)).toEqual(wanted));

  it('never throw, for any input', () => {
    fc.assert(
      fc.property(fc.anything(), fc.string(), (value, text) => {
        for (const read of [asBoolean, isoDate, asArray, asNumber, params, asString, readTemplate]) read(value);
        reasonOf(value, text);
        parseJson(text);
      }),
    );
  });
});

describe('a template', () => {
  it.each<[string, object, string[]]>([
    [
      'names in body order, junk left out',
      {
        bodyOriginal: '{{b}} {{a}}',
        body: '{{1}} {{2}}',
        customParams: [{ paramName: '1' }, { paramName: 'a' }, { paramName: 'b' }],
      },
      ['b', 'a'],
    ],
    ['a name twice', { bodyOriginal: '{{a}} {{b}} {{a}}' }, ['a', 'b']],
    ['positions', { body: '{{1}} {{2}}', customParams: [{ paramName: 'name' }] }, ['1', '2']],
    ['spaces in the braces', { bodyOriginal: '{{ a }} {{first name}}' }, ['a', 'first name']],
    [
      'a name in the header, after those of the body',
      { bodyOriginal: '{{b}}', header: { type: 1, text: 'For {{h}}' }, customParams: [{ paramName: 'h' }] },
      ['b', 'h'],
    ],
    [
      'a name in the header that is not listed',
      { bodyOriginal: '{{b}}', header: { type: 1, text: 'For {{h}}' } },
      ['b', 'h'],
    ],
    [
      'a name in a button',
      {
        bodyOriginal: 'x',
        buttons: [{ type: 'url', parameter: { urlOriginal: 'https://a/{{u}}' } }],
        customParams: [{ paramName: 'u' }],
      },
      ['u'],
    ],
    ...[
      [1, 2],
      [0, 1],
      [4, 9],
    ].map(([one, other]): [string, object, string[]] => [
      `positions with names, counted ${one}, ${other}`,
      {
        body: '{{1}} {{2}}',
        bodyParamMapping: [
          { index: one, paramName: 'a' },
          { index: other, paramName: 'b' },
        ],
      },
      ['a', 'b'],
    ]),
    ['nothing', { body: 'x {{}} {x}' }, []],
  ])('has %s', (_name, raw, names) => expect(readTemplate({ elementName: 't', ...raw })?.names).toEqual(names));

  it.each([
    [{ key: 'en', value: 'English', text: 'English' }, 'en'],
    ['de', 'de'],
    [{ value: 'German' }, 'German'],
    [null, undefined],
  ])('reads the language %j as %s', (language, wanted) => {
    expect(readTemplate({ elementName: 't', language })?.language).toBe(wanted);
  });

  it('is undefined without a name', () => expect(readTemplate({ id: '1', body: 'x' })).toBeUndefined());

  it.each([
    ['{{a}}, {{ a }}, {{b}}', { a: '$1 {{b}}' }, '$1 {{b}}, $1 {{b}}, {{b}}'],
    ['{{toString}}', {}, '{{toString}}'],
  ])('%s filled with %j is %s', (text, values, wanted) => expect(fill(text, values)).toBe(wanted));
});
