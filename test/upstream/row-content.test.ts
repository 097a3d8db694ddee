import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { contentOfRow, type RowContent } from '../../src/upstream/row-content.ts';

const tap = { id: '1', title: 'Yes please' };
const yes = { text: 'Yes please', id: '1' };
const place = { latitude: 12.9716, longitude: 77.5946, name: 'Cubbon Park' };
const card = {
  name: { formatted_name: 'Asha Rao', first_name: 'Asha' },
  phones: [{ phone: '+91 98123 45670', wa_id: '919812345670' }],
};
const asha = [{ name: 'Asha Rao', phones: ['+91 98123 45670'] }];
const basket = {
  catalog_id: 'c1',
  text: 'for Friday',
  product_items: [{ product_retailer_id: 'p1', quantity: '2', item_price: 4.5, currency: 'EUR' }],
};
const order = {
  catalogId: 'c1',
  text: 'for Friday',
  items: [{ productId: 'p1', quantity: 2, price: 4.5, currency: 'EUR' }],
};
const vcard =
  'BEGIN:VCARD\r\nVERSION:3.0\r\nFN:Asha Rao\r\nTEL;type=CELL;waid=919812345670:+91 98123 45670\r\nEND:VCARD';

const shapes: [name: string, row: object, content: RowContent][] = [
  ['a button', { interactiveButtonReply: tap }, { button: yes }],
  ['a button as JSON', { interactiveButtonReply: JSON.stringify(tap) }, { button: yes }],
  ['a button in data', { data: { interactiveButtonReply: tap } }, { button: yes }],
  ['a button in data as JSON', { data: JSON.stringify({ button_reply: tap }) }, { button: yes }],
  ['a button nested', { interactive: { type: 'button_reply', button_reply: tap } }, { button: yes }],
  [
    'a quick reply',
    { buttonReply: { payload: 'YES', text: 'Yes please' } },
    { button: { text: 'Yes please', payload: 'YES' } },
  ],
  ['a label alone', { interactiveButtonReply: 'Yes please' }, { button: { text: 'Yes please' } }],
  ['a row of a list', { listReply: { ...tap, description: 'today' } }, { button: { ...yes, description: 'today' } }],
  ['a row of a list nested', { interactive: { list_reply: tap } }, { button: yes }],
  ['a row under a number', { listReply: { id: 7, title: 9 } }, { button: { text: '9', id: '7' } }],
  [
    'a form',
    { interactive: { nfm_reply: { name: 'flow', response_json: '{"a":1}' } } },
    { button: { text: 'flow', payload: '{"a":1}' } },
  ],
  ['a place', { location: place }, { location: place }],
  [
    'a place as texts',
    { location: { latitude: '12.9716', longitude: ' 77.5946', name: 'Cubbon Park' } },
    { location: place },
  ],
  ['a place in data', { type: 'location', data: JSON.stringify(place) }, { location: place }],
  [
    'a place as a pair',
    { type: 'location', data: '12.9716,77.5946' },
    { location: { latitude: 12.9716, longitude: 77.5946 } },
  ],
  [
    'a place in short',
    { location: { lat: 0, lng: 0, address: 'here' } },
    { location: { latitude: 0, longitude: 0, address: 'here' } },
  ],
  ['contacts', { contacts: [card] }, { contacts: asha }],
  ['contacts as JSON', { contacts: JSON.stringify([card]) }, { contacts: asha }],
  ['a contact in a field of its own', { type: 'contacts', messageContact: card }, { contacts: asha }],
  ['contacts in data', { type: 'contacts', data: [card] }, { contacts: asha }],
  ['a card', { type: 'contacts', data: vcard }, { contacts: asha }],
  ['a card in a list', { contacts: [{ displayName: 'x', vcard }] }, { contacts: asha }],
  [
    'a contact with more',
    { contacts: [{ name: 'Asha', phone: '1', emails: [{ email: 'a@example.com' }], org: { company: 'ACME' } }] },
    { contacts: [{ name: 'Asha', phones: ['1'], emails: ['a@example.com'], organization: 'ACME' }] },
  ],
  ['an order', { order: basket }, { order }],
  ['an order in data', { type: 'order', data: JSON.stringify(basket) }, { order }],
  [
    'a reaction',
    { reaction: { message_id: 'wamid.1', emoji: '👍' } },
    { reaction: { emoji: '👍', messageId: 'wamid.1' } },
  ],
  [
    'a reaction as a text',
    { type: 'reaction', text: '👍', replyContextId: 'wamid.1' },
    { reaction: { emoji: '👍', messageId: 'wamid.1' } },
  ],
  ['a reaction taken back', { reaction: { message_id: 'wamid.1', emoji: '' } }, { reaction: { messageId: 'wamid.1' } }],
];

const nothing: object[] = [
  {},
  {
    type: 'text',
    text: 'Hi',
    data: null,
    location: null,
    listReply: null,
    interactiveButtonReply: null,
    buttonReply: null,
  },
  { type: 'image', data: 'data/images/a.jpg', messageContact: { name: 'the customer', phone: '1' } },
  { location: { latitude: 91, longitude: 0 } },
  { location: { latitude: 'north', longitude: 0 } },
  { location: 'here' },
  { type: 'location', data: '1.2.3,4' },
  { contacts: [null, 7, {}, { name: '' }] },
  { order: { items: 'none' } },
  { reaction: {} },
  { interactiveButtonReply: {}, listReply: [] },
];

describe('the content of a row beside text and file', () => {
  it.each(shapes)('is read: %s', (_name, row, content) => {
    expect(contentOfRow({ ...row })).toEqual(content);
    const upper = Object.fromEntries(
      Object.entries(row).map(([name, value]) => [
        name === 'type' || name === 'text' || name === 'data' || name === 'replyContextId' || name === 'interactive'
          ? name
          : name.toUpperCase(),
        value,
      ]),
    );
    expect(contentOfRow(upper)).toEqual(content);
  });

  it.each(nothing)('is not taken from values that are none: %j', (row) => {
    expect(contentOfRow({ ...row })).toEqual({});
  });

  it('never throws, and is bounded, whatever the row is', () => {
    const names = [
      'type',
      'data',
      'interactive',
      'listReply',
      'location',
      'contacts',
      'order',
      'reaction',
      'messageContact',
    ];
    const row = fc.dictionary(
      fc.constantFrom(...names),
      fc.oneof(fc.jsonValue(), fc.json(), fc.constantFrom('location', 'order', 'contacts')),
    );
    fc.assert(fc.property(row, (row) => typeof contentOfRow(row) === 'object'));
    const many = { contacts: Array(5_000).fill({ name: 'x'.repeat(10_000), phones: Array(5_000).fill('1') }) };
    const { contacts = [] } = contentOfRow(many);
    expect([contacts.length, contacts[0]?.name?.length, contacts[0]?.phones.length]).toEqual([100, 4_096, 100]);
  });
});
