import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Template } from '../../src/simulator/state.ts';
import { problem } from '../support/problem-type.ts';
import { type Service, startService } from '../support/service.ts';
import { fields, seededConnection } from './outcomes.ts';

type Shape = Partial<Template> & Record<string, unknown>;

const named = (...names: string[]) => ({
  customParams: names.map((paramName) => ({ paramName, paramValue: `[${paramName}]` })),
});
const mapping = (paramName: string, index = 1) => ({ index, paramName });
const button = (type: string, parameter: object) => ({ buttons: [{ type, parameter }] });

/** Beside the body's `name`, each has one variable more, called `more`. */
const shapes: Record<string, Shape> = {
  'a media header by name': { header: { type: 2, headerTypeString: 'image', link: '{{more}}' } },
  'a media header by position': { header: { type: 3, link: '{{1}}', headerParamMapping: mapping('more') } },
  'a media header with a sample': {
    header: { type: 4, link: 'https://example.com/a.pdf', headerParamMapping: mapping('more') },
  },
  'a header with its original': { header: { type: 1, text: 'For {{1}}', headerOriginal: 'For {{more}}' } },
  'a header with a mapping': { header: { type: 1, text: 'For {{1}}', headerParamMapping: [mapping('more')] } },
  'a footer': { footer: 'for {{more}}' },
  'a button with its original': button('url', {
    url: 'https://a.example/{{1}}',
    urlOriginal: 'https://a.example/{{more}}',
  }),
  'a button with a mapping': button('url', {
    url: 'https://a.example/{{1}}',
    urlOriginal: null,
    buttonParamMapping: mapping('more', 0),
  }),
  'a button numbered through all of the template': button('url', {
    url: 'https://a.example/{{1}}',
    buttonParamMapping: mapping('more', 7),
  }),
  'a button whose address shows none': button('url', {
    url: 'https://a.example/',
    urlType: 'dynamic',
    buttonParamMapping: mapping('more'),
  }),
  'a button in the newer form': button('url', {
    url: 'https://a.example/{{1}}',
    url_original: null,
    button_param_mapping: { index: 1, param_name: 'more' },
  }),
  'a button without a parameter object': { buttons: [{ type: 'url', url: 'https://a.example/{{more}}' }] },
  'a coupon': button('copy_code', { copyOfferCode: '{{more}}' }),
  'a coupon with a mapping': button('copy_code', { text: 'Copy', couponParamMapping: { '1': 'more' } }),
  'a limited offer': { limitedTimeOffer: { text: 'until {{more}}', hasExpiration: true } },
  'a card': { carouselCards: [{ body: 'Now {{1}}', bodyOriginal: 'Now {{more}}' }] },
  'a card in the newer form': { carousel_cards: [{ body: 'Now {{1}}', body_original: 'Now {{more}}' }] },
  'a header of a card': {
    carouselCards: [{ body: 'x', header: { type: 2, link: '{{1}}', headerParamMapping: mapping('more') } }],
  },
  'a button of a card': {
    carouselCards: [
      { body: 'x', ...button('url', { url: 'https://a.example/{{1}}', buttonParamMapping: mapping('more') }) },
    ],
  },
};

describe('parameters', () => {
  let service: Service;
  beforeAll(async () => {
    service = await startService({
      settings: { DOCS: 'off', MATON_CONNECTION_ID: seededConnection, TEMPLATE_CACHE_MS: '0' },
    });
  });
  beforeEach(() => service.simulator.reset());
  afterAll(() => service.close());

  const add = (shape: Shape, elementName = 't') => {
    const [first] = service.simulator.tenant.templates;
    if (!first) throw new Error('the seed has templates');
    const own = { id: `own-${service.simulator.tenant.templates.length}`, elementName, status: 'APPROVED' };
    const body = { body: 'Hi {{1}}', bodyOriginal: 'Hi {{name}}', hsm: null, hsmOriginal: null, customParams: [] };
    service.simulator.tenant.templates.push({ ...first, ...own, ...body, ...shape });
  };
  const send = (parameters: object, template = 't') =>
    service.ask('POST', '/v1/messages/template', { json: { to: '14155551000', template, parameters } });
  const look = async () => fields((await service.ask('GET', '/v1/templates/t')).json);
  const sent = () => service.simulator.ledger.of('sendTemplateMessagesV2').length;

  describe.each(Object.entries(shapes))('in %s', (_name, shape) => {
    it.each([
      ['listed', named('name', 'more', '1')],
      ['not listed', {}],
    ])('are found, demanded and taken, %s by WATI', async (_listed, listing) => {
      add({ ...shape, ...listing });
      expect((await look()).parameters).toEqual(['name', 'more']);
      expect((await send({ name: 'a' })).json).toMatchObject({
        type: problem('template-parameters-invalid'),
        errors: [{ pointer: '/parameters/more', detail: 'is missing' }],
      });
      expect(sent()).toBe(0);
      expect((await send({ name: 'a', more: 'b' })).status).toBe(201);
      expect((await send({ name: 'a', more: 'b', mroe: 'c' })).json).toMatchObject({
        errors: [{ pointer: '/parameters/mroe' }],
      });
    });
  });

  it.each<[string, Shape, object]>([
    ['a name that is listed and stands nowhere', named('name', 'gone'), { name: 'a', gone: 'b' }],
    ['the same left out', named('name', 'gone'), { name: 'a' }],
    [
      'any name where a position has none',
      button('url', { url: 'https://a.example/{{1}}', urlOriginal: null }),
      { name: 'a', whatever: 'b' },
    ],
    [
      'any name with an address that is completed by the send',
      button('url', { url: 'https://a.example/', urlType: 'dynamic' }),
      { name: 'a', rest: 'b' },
    ],
    ['any name with a coupon that shows no variable', button('copy_code', { text: 'Copy' }), { name: 'a', code: 'X' }],
    [
      'the name of a body whose original is kept elsewhere',
      { bodyOriginal: '', hsmOriginal: 'Hi {{name}}', ...named('1', 'name') },
      { name: 'a' },
    ],
  ])('takes %s', async (_name, shape, parameters) => {
    add(shape);
    // The simulator demands what the body names.
    if (shape.bodyOriginal !== undefined) add({ bodyOriginal: 'Hi {{name}}' }, 'other');
    expect((await send(parameters)).json).toMatchObject({ status: 'accepted' });
  });

  it.each([
    [{ type: 2, headerTypeString: 'Image' }, 'image'],
    [{ type: 1, typeString: 'text' }, 'text'],
    [{ type: 2 }, 'image'],
    [{ type: '3' }, 'video'],
    [{ type: 9 }, '9'],
    [{ type: 'DOCUMENT' }, 'document'],
  ])('the header %j is of type %s', async (header, type) => {
    add({ header });
    expect((await look()).header).toEqual({ type });
  });

  it('suggests the parameter with a similar name', async () => {
    expect((await send({}, 'order_updtae')).json).toMatchObject({
      type: problem('template-unknown'),
      detail: 'WATI has no template "order_updtae"; did you mean "order_update"?',
    });
    expect((await service.ask('GET', '/v1/templates/Welcome')).json).toMatchObject({
      detail: 'WATI has no template of this name; did you mean "welcome"?',
    });
    const parameters = { custmer_name: 'a', order_id: 'b', order_status: 'c' };
    expect((await send(parameters, 'order_update')).json).toMatchObject({
      errors: [
        { pointer: '/parameters/customer_name' },
        {
          pointer: '/parameters/custmer_name',
          detail:
            'is not a parameter of this template; it takes customer_name, order_id, order_status; did you mean customer_name?',
        },
      ],
    });
  });

  it.each<[string, Shape, object, string]>([
    ['body', {}, { name: 'x'.repeat(1_022) }, 'the body is 1025 characters long with these, at most 1024'],
    ['header', { header: { type: 1, text: '{{name}}!' } }, { name: 'x'.repeat(60) }, 'the header is 61 characters'],
    ['footer', { footer: '{{name}}' }, { name: 'x'.repeat(61) }, 'the footer is 61 characters'],
    ['button', button('quick_reply', { text: '{{name}}' }), { name: 'x'.repeat(26) }, 'the text of button 1 is 26'],
    [
      'card',
      { carouselCards: [{ body: '{{name}}', header: { type: 1, text: '{{name}}' } }] },
      { name: 'x'.repeat(61) },
      'card 1: the header is 61',
    ],
  ])('that make the %s too long are refused before anything is sent', async (_place, shape, parameters, detail) => {
    add(shape);
    const errors = [{ pointer: '/parameters', detail: expect.stringContaining(detail) }];
    expect((await send(parameters)).json).toMatchObject({ status: 422, errors });
    const recipients = [{ to: '14155551000', parameters }];
    const broadcast = await service.ask('POST', '/v1/broadcasts', {
      json: { template: 't', broadcastName: 'b', recipients },
      headers: { 'idempotency-key': 'k' },
    });
    expect(broadcast.json).toMatchObject({ errors: [{ pointer: '/recipients/0/parameters' }] });
    expect(sent()).toBe(0);
  });

  it('may fill a text to its last character, of whatever size', async () => {
    add({});
    expect((await send({ name: '😀'.repeat(1_021) })).status).toBe(201);
  });

  it('are validated in the final text: header, body, footer, buttons and cards', async () => {
    const preview = (name: string, json: object) => service.ask('POST', `/v1/templates/${name}/preview`, { json });
    const parameters = { name: 'Asha', image: 'https://example.com/p.jpg', parcel_id: '7' };
    expect((await preview('parcel_photo', { parameters })).json).toEqual({
      template: 'parcel_photo',
      language: 'en',
      media: { type: 'image', url: 'https://example.com/p.jpg' },
      body: 'Hi Asha, your parcel is here.',
      buttons: [{ type: 'url', text: 'Track', url: 'https://example.com/parcels/7' }],
    });
    expect((await preview('summer_picks', { parameters: { name: 'Asha', card1_price: '5 €' } })).json).toEqual({
      template: 'summer_picks',
      language: 'en',
      body: 'Picked for you, Asha:',
      cards: [
        {
          header: { type: 'image', url: 'https://example.com/shoe.jpg' },
          body: 'Shoes, now 5 €',
          buttons: [{ type: 'quick_reply', text: 'Take them' }],
        },
      ],
    });
  });

  it('of a template in several languages may fit any of them, and each can be read', async () => {
    const get = async (query: string) => (await service.ask('GET', `/v1/templates/delivery_note${query}`)).json;
    expect(await get('')).toMatchObject({ language: 'en', otherLanguages: ['de'], parameters: ['name'] });
    expect(await get('?language=DE')).toMatchObject({ language: 'de', parameters: ['name', 'ort'] });
    expect(await get('?language=fr')).toMatchObject({
      status: 404,
      detail: 'WATI has no template of this name in this language; it is there in en, de',
    });
    const preview = { json: { parameters: { name: 'a', ort: 'b' } } };
    expect((await service.ask('POST', '/v1/templates/delivery_note/preview', preview)).json).toMatchObject({
      language: 'de',
      body: 'Hallo a, wir liefern heute nach b.',
    });
    expect((await send({ name: 'a', ort: 'b' }, 'delivery_note')).status).toBe(201);
    const refused = (await send({ name: 'a', nmae: 'b' }, 'delivery_note')).json;
    expect(refused).toMatchObject({
      detail: expect.stringMatching(/several languages, of which WATI chooses.*en.*de/),
    });
  });
});
