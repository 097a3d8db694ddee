import { describe, expect, it } from 'vitest';
import { Problem } from '../../src/problem.ts';
import {
  checkParameters,
  checkTemplate,
  parameterFaults,
  type Sendable,
} from '../../src/templates/template-validation.ts';
import { valueFault } from '../../src/templates/template-value.ts';
import { readTemplate } from '../../src/upstream/templates.ts';

describe('a value', () => {
  const lines = 'has a line break or a tab, which WhatsApp refuses';
  it.each([
    ['x', undefined],
    [' x ', undefined],
    ['a   b', undefined],
    ['0', undefined],
    ['😀', undefined],
    ['', 'is blank'],
    ['   ', 'is blank'],
    ['\u00a0\u2003', 'is blank'],
    ['\n', 'is blank'],
    ['a\nb', lines],
    ['a\rb', lines],
    ['a\tb', lines],
    ['a\vb', lines],
    ['a\fb', lines],
    ['a\u0085b', lines],
    ['a\u2028b', lines],
    ['a\u2029b', lines],
    ['a    b', 'has four or more spaces in a row, which WhatsApp refuses'],
    ['a     b', 'has four or more spaces in a row, which WhatsApp refuses'],
  ])('%j: %s', (value, fault) => expect(valueFault(value)).toBe(fault));
});

describe('the parameters', () => {
  it.each<[string, string[], Record<string, string>, [string, string][]]>([
    ['fit', ['a', 'b'], { b: '2', a: '1' }, []],
    ['are none and none are asked', [], {}, []],
    [
      'are missing, in the order of the template',
      ['z', 'a'],
      {},
      [
        ['/parameters/z', 'is missing'],
        ['/parameters/a', 'is missing'],
      ],
    ],
    ['are superfluous', [], { x: '1' }, [['/parameters/x', 'is not a parameter of this template; it takes none']]],
    [
      'are misspelt',
      ['name'],
      { Name: '1' },
      [
        ['/parameters/name', 'is missing'],
        ['/parameters/Name', 'is not a parameter of this template; it takes name; did you mean name?'],
      ],
    ],
    [
      'are inherited',
      ['toString', 'constructor'],
      {},
      [
        ['/parameters/toString', 'is missing'],
        ['/parameters/constructor', 'is missing'],
      ],
    ],
    ['have signs of a pointer in them', ['a/b~1'], { 'a/b~1': ' ' }, [['/parameters/a~1b~01', 'is blank']]],
  ])('%s', (_name, names, given, wanted) => {
    const template = { ...readTemplate({ elementName: 't' }), names } as Sendable[0];
    expect(parameterFaults(template, given).map(({ pointer, detail }) => [pointer, detail])).toEqual(wanted);
  });
});

describe('a template', () => {
  const found = (known: ReturnType<typeof readTemplate>) => ({
    versions: known ? [known] : [],
    near: undefined,
    languages: [],
    ageMs: 0,
  });
  const template = (status: string) => readTemplate({ id: 't', elementName: 'hi', status, body: 'Hi {{1}}' });

  it.each(['APPROVED', 'approved', 'Approved'])('%s is sent', (status) => {
    expect(checkTemplate(found(template(status)), 'hi')[0].elementName).toBe('hi');
  });

  it.each([
    [undefined, {}, 'template-unknown', 'WATI has no template "hi"'],
    [template('PENDING'), {}, 'template-unknown', 'the template "hi" is pending, not approved'],
    [readTemplate({ elementName: 'hi' }), {}, 'template-unknown', 'the template "hi" is unknown, not approved'],
    [template('APPROVED'), {}, 'template-parameters-invalid', '1 parameter is at fault'],
    [template('APPROVED'), { a: '', b: '' }, 'template-parameters-invalid', '3 parameters are at fault'],
  ])('is not sent (%#)', (known, parameters, slug, detail) => {
    const check = () => checkParameters(checkTemplate(found(known), 'hi'), parameters as Record<string, string>);
    expect(check).toThrow(Problem);
    expect(check).toThrow(expect.objectContaining({ slug, message: detail }));
  });
});
