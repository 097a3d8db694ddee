import type { Template } from './state.ts';

export interface TemplateSeed {
  readonly name: string;
  /** As written; the positional form is derived from it. */
  readonly body: string;
  readonly status?: string;
  readonly category?: string;
  readonly language?: Template['language'];
  readonly header?: Template['header'];
  readonly footer?: string;
  readonly buttons?: Template['buttons'];
  /** Fields that few templates have, and the names that they take. */
  readonly more?: Readonly<Record<string, unknown>>;
  readonly moreNames?: readonly string[];
}

const english = { key: 'en', value: 'English', text: 'English' };
const german = { key: 'de', value: 'German', text: 'German' };

const seeds: readonly TemplateSeed[] = [
  { name: 'order_update', body: 'Hi {{customer_name}}, your order {{order_id}} {{order_status}}.' },
  { name: 'appointment_reminder', body: 'Dear {{1}}, see you on {{2}} at {{3}}.', status: 'approved' },
  { name: 'welcome', body: 'Welcome! We are glad that you are here.', category: 'MARKETING' },
  {
    name: 'invoice_ready',
    body: 'Hello {{name}}, invoice {{invoice_no}} over {{amount}} is ready.',
    header: { type: 1, typeString: 'text', text: 'Your invoice', link: null },
    footer: 'Reply STOP to opt out',
    buttons: [
      { type: 'url', parameter: { text: 'Open', url: 'https://example.com/invoices', urlType: 'static' } },
      { type: 'quick_reply', parameter: { text: 'Call me back' } },
    ],
  },
  { name: 'order_update_v2', body: 'Hi {{customer_name}}, order {{order_id}}: {{order_status}}.', status: 'Approved' },
  { name: 'bestellung_versandt', body: 'Hallo {{vorname}}, Bestellung {{nummer}} ist unterwegs.', language: german },
  { name: 'otp_code', body: '{{1}} is your code.', category: 'AUTHENTICATION' },
  { name: 'repeat_name', body: '{{name}}, this is for you, {{name}}: {{offer}}', category: 'MARKETING' },
  { name: 'old_promo', body: 'Hi {{name}}, {{offer}}', status: 'DELETED', category: 'MARKETING' },
  { name: 'new_promo', body: 'Hi {{name}}, {{offer}} until {{date}}', status: 'PENDING', category: 'MARKETING' },
  { name: 'bad_promo', body: 'BUY NOW {{name}}', status: 'REJECTED', category: 'MARKETING' },
  { name: 'paused_promo', body: 'Hi {{name}}', status: 'PAUSED', category: 'MARKETING' },
  { name: 'draft_note', body: 'Hi {{name}}', status: 'draft' },
  { name: 'feedback_request', body: 'How was it, {{1}}?', category: 'MARKETING' },
  {
    name: 'parcel_photo',
    body: 'Hi {{name}}, your parcel is here.',
    header: {
      type: 2,
      headerTypeString: 'image',
      text: null,
      link: '{{image}}',
      headerOriginal: null,
      headerParamMapping: { index: 1, paramName: 'image' },
    },
    buttons: [
      {
        type: 'url',
        parameter: {
          text: 'Track',
          url: 'https://example.com/parcels/{{1}}',
          urlOriginal: null,
          urlType: 'dynamic',
          buttonParamMapping: { index: 1, paramName: 'parcel_id' },
        },
      },
    ],
    moreNames: ['image', 'parcel_id'],
  },
  {
    name: 'summer_picks',
    body: 'Picked for you, {{name}}:',
    category: 'MARKETING',
    more: {
      carouselCards: [
        {
          header: { type: 2, headerTypeString: 'image', link: 'https://example.com/shoe.jpg' },
          body: 'Shoes, now {{1}}',
          bodyOriginal: 'Shoes, now {{card1_price}}',
          buttons: [{ type: 'quick_reply', parameter: { text: 'Take them' } }],
        },
      ],
    },
    moreNames: ['card1_price'],
  },
  { name: 'delivery_note', body: 'Hi {{name}}, we deliver today.' },
  { name: 'delivery_note', body: 'Hallo {{name}}, wir liefern heute nach {{ort}}.', language: german },
];

export const seedTemplates = (): Template[] =>
  seeds.map((seed, index) => templateFrom(seed, `66a1b2c3${index.toString(16).padStart(16, '0')}`));

/** The template as WATI lists it. */
export function templateFrom(seed: TemplateSeed, id: string): Template {
  return {
    id,
    elementName: seed.name,
    category: seed.category ?? 'UTILITY',
    subCategory: 'STANDARD',
    hsm: positional(seed.body),
    hsmOriginal: seed.body,
    customParams: [
      ...customParams(seed.body),
      ...(seed.moreNames ?? []).map((name) => ({ paramName: name, paramValue: `[${name}]` })),
    ],
    status: seed.status ?? 'APPROVED',
    language: seed.language ?? english,
    lastModified: '2026-05-04T08:15:30.123Z',
    type: 'template',
    header: seed.header ?? null,
    body: positional(seed.body),
    bodyOriginal: seed.body,
    footer: seed.footer ?? null,
    buttons: seed.buttons ?? [],
    buttonsType: seed.buttons ? 'call_to_action' : 'none',
    quality: 'GREEN',
    ...seed.more,
  };
}

/** Reversed and with a name that no body uses, as in a real account: the order has no meaning. */
function customParams(body: string): Template['customParams'] {
  const used = names(body);
  if (used.length === 0) return [];
  const junk = used.includes('1') ? 'customer_name' : '1';
  return [...used]
    .reverse()
    .concat(junk)
    .map((name) => ({ paramName: name, paramValue: `[${name}]` }));
}

function names(body: string): readonly string[] {
  return [...new Set([...body.matchAll(/\{\{([^{}]+)\}\}/g)].map((match) => match[1] ?? ''))];
}

/** The k-th variable becomes `{{k}}`; a repeated name keeps its number. */
function positional(body: string): string {
  const order = names(body);
  return body.replace(/\{\{([^{}]+)\}\}/g, (_whole, name: string) => `{{${order.indexOf(name) + 1}}}`);
}
