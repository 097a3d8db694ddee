import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { problem } from '../support/problem-type.ts';
import { type Service, startService } from '../support/service.ts';
import { fields, seededConnection } from './outcomes.ts';

const to = '14155551000';
const buttons = (more: object) => ({ to, body: 'Shall we?', buttons: [{ text: 'Yes' }], ...more });
const rows = (count: number, name = 'row') => Array.from({ length: count }, (_, at) => ({ title: `${name} ${at}` }));
const list = (more: object) => ({
  to,
  body: 'When?',
  buttonText: 'Choose',
  sections: [{ title: 'A', rows: rows(1) }],
  ...more,
});
const sections = (...counts: number[]) => counts.map((count, at) => ({ title: `S${at}`, rows: rows(count, `s${at}`) }));
const letters = (count: number) => 'x'.repeat(count);
const faces = (count: number) => '😀'.repeat(count);
const image = { type: 'image', url: 'https://example.com/a.png' };

/** Limits of WATI and WhatsApp: what is taken, and what the pointers say of the rest. */
const cases: [what: string, route: string, json: object, pointers: string[]][] = [
  ['4096 letters', 'text', { to, text: letters(4096) }, []],
  ['4097 letters', 'text', { to, text: letters(4097) }, ['/text']],
  ['4096 faces, each two units of UTF-16', 'text', { to, text: faces(4096) }, []],
  ['4097 faces', 'text', { to, text: faces(4097) }, ['/text']],
  ['a blank text', 'text', { to, text: ' \n ' }, ['/text']],
  ['an empty text', 'text', { to, text: '' }, ['/text']],
  ['no text', 'text', { to }, ['/text']],
  ['a number for a text', 'text', { to, text: 1 }, ['/text']],
  ['a null that means absent', 'text', { to, text: 'x', replyTo: null }, ['/replyTo']],
  ['an unknown property', 'text', { to, text: 'x', 'a/b~c': 1 }, ['/a~1b~0c']],
  ['a recipient with spaces', 'text', { to: '+1 415 555', text: 'x' }, ['/to']],
  ['a recipient that climbs', 'text', { to: '../14155551000', text: 'x' }, ['/to']],
  ['a recipient with a line break behind it', 'text', { to: '14155551000\n', text: 'x' }, ['/to']],
  ['a recipient of six digits', 'text', { to: '123456', text: 'x' }, ['/to']],
  ['a recipient of sixteen digits', 'text', { to: '1234567890123456', text: 'x' }, ['/to']],
  ['a recipient that begins with 0', 'text', { to: '014155551000', text: 'x' }, ['/to']],
  ['a plain address', 'file-link', { to, url: 'http://example.com/a.pdf' }, ['/url']],
  ['an address with a user', 'file-link', { to, url: 'https://a@example.com/a.pdf' }, ['/url']],
  ['an address that is none', 'file-link', { to, url: 'https://[x/a.pdf' }, ['/url']],
  ['a caption of 1024 faces', 'file-link', { to, url: image.url, caption: faces(1024) }, []],
  ['a caption of 1025', 'file-link', { to, url: image.url, caption: letters(1025) }, ['/caption']],
  ['three buttons', 'buttons', buttons({ buttons: rows(3).map(({ title: text }) => ({ text })) }), []],
  ['four buttons', 'buttons', buttons({ buttons: rows(4).map(({ title: text }) => ({ text })) }), ['/buttons']],
  ['no button', 'buttons', buttons({ buttons: [] }), ['/buttons']],
  ['a label of 20 faces', 'buttons', buttons({ buttons: [{ text: faces(20) }] }), []],
  ['a label of 21', 'buttons', buttons({ buttons: [{ text: letters(21) }] }), ['/buttons/0/text']],
  [
    'a label twice',
    'buttons',
    buttons({ buttons: [{ text: 'Yes' }, { text: 'No' }, { text: ' yES' }] }),
    ['/buttons/2/text'],
  ],
  ['a body of 1025', 'buttons', buttons({ body: letters(1025) }), ['/body']],
  ['a footer of 61', 'buttons', buttons({ footer: letters(61) }), ['/footer']],
  ['a header of 60', 'buttons', buttons({ header: { type: 'text', text: letters(60) } }), []],
  ['a header of 61', 'buttons', buttons({ header: { type: 'text', text: letters(61) } }), ['/header/text']],
  ['a text header without text', 'buttons', buttons({ header: { type: 'text' } }), ['/header/text']],
  [
    'a text header with an address',
    'buttons',
    buttons({ header: { ...image, type: 'text', text: 'x' } }),
    ['/header/url'],
  ],
  ['an image', 'buttons', buttons({ header: image }), []],
  ['an image without an address', 'buttons', buttons({ header: { type: 'image' } }), ['/header/url']],
  ['an image with a text', 'buttons', buttons({ header: { ...image, text: 'x' } }), ['/header/text']],
  ['an image with a file name', 'buttons', buttons({ header: { ...image, fileName: 'a' } }), ['/header/fileName']],
  [
    'every fault at once',
    'buttons',
    buttons({ header: { type: 'video', text: 'x' }, buttons: [{ text: 'A' }, { text: 'a' }] }),
    ['/header/url', '/header/text', '/buttons/1/text'],
  ],
  ['ten rows in one section', 'list', list({ sections: sections(10) }), []],
  ['eleven rows in one section', 'list', list({ sections: sections(11) }), ['/sections/0/rows']],
  ['ten rows over two sections', 'list', list({ sections: sections(4, 6) }), []],
  ['eleven rows over two sections', 'list', list({ sections: sections(5, 6) }), ['/sections']],
  ['no section', 'list', list({ sections: [] }), ['/sections']],
  ['a section without rows', 'list', list({ sections: [{ title: 'A', rows: [] }] }), ['/sections/0/rows']],
  [
    'a row twice over two sections',
    'list',
    list({
      sections: [
        { title: 'A', rows: [{ title: 'Nine' }] },
        { title: 'B', rows: [{ title: 'NINE ' }] },
      ],
    }),
    ['/sections/1/rows/0/title'],
  ],
  [
    'a row title of 25',
    'list',
    list({ sections: [{ title: 'A', rows: [{ title: letters(25) }] }] }),
    ['/sections/0/rows/0/title'],
  ],
  [
    'a description of 73',
    'list',
    list({ sections: [{ title: 'A', rows: [{ title: 'a', description: letters(73) }] }] }),
    ['/sections/0/rows/0/description'],
  ],
  ['a section title of 25', 'list', list({ sections: [{ title: letters(25), rows: rows(1) }] }), ['/sections/0/title']],
  ['one section without a title', 'list', list({ sections: [{ rows: rows(3) }] }), []],
  [
    'two sections, one without a title',
    'list',
    list({ sections: [{ title: 'A', rows: rows(1) }, { rows: rows(1, 'other') }] }),
    ['/sections/1/title'],
  ],
  [
    'sections without titles',
    'list',
    list({ sections: [{ rows: rows(1) }, { rows: rows(1, 'b') }] }),
    ['/sections/0/title', '/sections/1/title'],
  ],
  ['a blank title of a section', 'list', list({ sections: [{ title: ' ', rows: rows(1) }] }), ['/sections/0/title']],
  ['a button text of 21', 'list', list({ buttonText: letters(21) }), ['/buttonText']],
];

describe('before any byte is sent upstream', () => {
  let service: Service;
  beforeAll(async () => {
    // Four thousand faces take twelve bytes each in an address.
    service = await startService({ settings: { MATON_CONNECTION_ID: seededConnection, TEXT_URL_MAX_BYTES: '65536' } });
  });
  beforeEach(() => service.simulator.reset());
  afterAll(() => service.close());

  it.each(cases)('%s (%s)', async (_what, route, json, pointers) => {
    const answer = await service.ask('POST', `/v1/messages/${route}`, { json });
    if (pointers.length === 0) {
      expect(answer.status).toBe(201);
      expect(service.simulator.ledger.entries).toHaveLength(1);
      return;
    }
    expect(answer.json).toMatchObject({
      type: problem('validation-failed'),
      status: 400,
      instance: `/v1/messages/${route}`,
      retryable: false,
      errors: pointers.map((pointer) => ({ pointer, detail: expect.any(String) })),
    });
    expect(fields(answer.json).errors).toHaveLength(pointers.length);
    expect(answer.headers.location).toBeUndefined();
    expect(service.simulator.ledger.entries).toEqual([]);
  });
});

describe('a text in the address', () => {
  // `/wati/api/v1/sendSessionMessage/14155551000?messageText=` and `&localMessageId=<uuid>`
  const around = '/wati/api/v1/sendSessionMessage/14155551000?messageText='.length + '&localMessageId='.length + 36;
  it.each([
    ['fills it to the last byte', letters(1024 - around), 201],
    ['is a byte too long', letters(1024 - around + 1), 400],
    ['is a byte too long once it is encoded', `${letters(1024 - around - 5)}ü`, 400],
  ])('%s', async (_name, text, status) => {
    const service = await startService({
      settings: { MATON_CONNECTION_ID: seededConnection, TEXT_URL_MAX_BYTES: '1024' },
    });
    const answer = await service.ask('POST', '/v1/messages/text', { json: { to, text } });
    expect(answer.status).toBe(status);
    expect(service.simulator.ledger.entries).toHaveLength(status === 201 ? 1 : 0);
    if (status === 400) expect(answer.json).toMatchObject({ errors: [{ pointer: '/text' }] });
    await service.close();
  });

  it('reports the longer part of a file link, its address or its caption', async () => {
    const service = await startService({
      settings: { MATON_CONNECTION_ID: seededConnection, TEXT_URL_MAX_BYTES: '1024' },
    });
    const link = { to, url: `https://example.com/${letters(1000)}` };
    for (const [json, pointer] of [
      [link, '/url'],
      [{ ...link, caption: 'x' }, '/url'],
      [{ to, url: image.url, caption: letters(1000) }, '/caption'],
    ] as const) {
      const answer = await service.ask('POST', '/v1/messages/file-link', { json });
      expect(answer.json).toMatchObject({ status: 400, errors: [{ pointer }] });
    }
    expect(service.simulator.ledger.entries).toEqual([]);
    await service.close();
  });
});

describe('an unpaired surrogate', () => {
  let service: Service;
  beforeAll(async () => {
    service = await startService();
  });
  afterAll(() => service.close());

  it.each([
    ['/v1/messages/text', '{"to":"14155551000","text":"a\\ud800"}', '/text'],
    ['/v1/messages/text', '{"to":"14155551000","text":"a","replyTo":"\\udfff"}', '/replyTo'],
    ['/v1/messages/template', '{"to":"14155551000","template":"welcome","broadcastName":"\\ud800"}', '/broadcastName'],
    ['/v1/templates/welcome/preview', '{"parameters":{"a":"\\ud800"}}', '/parameters/a'],
  ])('is refused by %s before anything is sent: %s', async (path, body, pointer) => {
    const answer = await service.ask('POST', path, { body, headers: { 'content-type': 'application/json' } });
    expect(answer).toMatchObject({
      status: 400,
      json: {
        type: problem('validation-failed'),
        errors: [{ pointer, detail: expect.stringContaining('surrogate') }],
      },
    });
    expect(service.simulator.ledger.entries).toEqual([]);
  });

  it('is taken whole', async () => {
    const json = { to: '14155551000', text: 'whole: 😀' };
    expect((await service.ask('POST', '/v1/messages/text', { json })).status).toBe(201);
  });
});
