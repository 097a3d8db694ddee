import type { Static } from 'typebox';
import { Type } from '../lib/type.ts';
import { Channel, NotAfter, oneOf, Recipient, Reference, SendAt, strict, text } from './common.ts';
import { TemplateName, TemplateParameters } from './template.ts';

/** Lengths and counts are WATI's. */
const httpsUrl = Type.String({
  maxLength: 8_192,
  'x-address': 'https',
  description:
    'https only; WATI fetches it. Presigned addresses fit, as long as the call to WATI is not too long with them',
  examples: ['https://example.com/invoice.pdf'],
});

const channel = Type.Optional(Channel);
const reference = Type.Optional(Reference);
const schedule = { sendAt: Type.Optional(SendAt), notAfter: Type.Optional(NotAfter) };

export const TextPost = Type.Object(
  {
    to: Recipient,
    channel,
    reference,
    ...schedule,
    text: text(4096, 'Your parcel is on its way.', {
      description:
        'WATI takes it in the address of a call, where 8,192 bytes fit (`TEXT_URL_MAX_BYTES`): 4,096 letters of ASCII, some 1,300 of Greek or Cyrillic, 890 of Hindi or Chinese, 670 emoji. The 400 for a longer one says how many of its characters fit.',
    }),
    replyTo: Type.Optional(
      Type.String({ minLength: 1, maxLength: 512, description: 'id of the WhatsApp message to quote' }),
    ),
  },
  { title: 'TextPost', ...strict, examples: [{ to: '14155550100', text: 'Your parcel is on its way.' }] },
);
export type TextPost = Static<typeof TextPost>;

export const FileLinkPost = Type.Object(
  { to: Recipient, channel, reference, ...schedule, url: httpsUrl, caption: Type.Optional(text(1024, 'Your invoice')) },
  {
    title: 'FileLinkPost',
    ...strict,
    examples: [{ to: '14155550100', url: 'https://example.com/invoice.pdf', caption: 'Your invoice' }],
  },
);
export type FileLinkPost = Static<typeof FileLinkPost>;

export const ButtonsPost = Type.Object(
  {
    to: Recipient,
    channel,
    reference,
    ...schedule,
    body: text(1024, 'Shall we deliver today?'),
    header: Type.Optional(
      Type.Object(
        {
          type: oneOf(['text', 'image', 'video', 'document']),
          text: Type.Optional(text(60, 'Delivery', { description: 'of `text` headers', line: true })),
          url: Type.Optional(httpsUrl),
          fileName: Type.Optional(text(240, 'invoice.pdf', { description: 'of `document` headers', line: true })),
        },
        { title: 'ButtonsHeader', ...strict },
      ),
    ),
    footer: Type.Optional(text(60, 'Answer until noon', { line: true })),
    buttons: Type.Array(Type.Object({ text: text(20, 'Yes', { line: true }) }, strict), {
      minItems: 1,
      maxItems: 3,
      description: 'the answer names the text of a button, so the texts must differ',
      examples: [[{ text: 'Yes' }, { text: 'Tomorrow' }]],
    }),
  },
  {
    title: 'ButtonsPost',
    ...strict,
    examples: [
      { to: '14155550100', body: 'Shall we deliver today?', buttons: [{ text: 'Yes' }, { text: 'Tomorrow' }] },
    ],
  },
);
export type ButtonsPost = Static<typeof ButtonsPost>;

export const ListPost = Type.Object(
  {
    to: Recipient,
    channel,
    reference,
    ...schedule,
    body: text(1024, 'When shall we come?'),
    header: Type.Optional(text(60, 'Appointment', { line: true })),
    footer: Type.Optional(text(60, 'You can change it later', { line: true })),
    buttonText: text(20, 'Choose', { line: true }),
    sections: Type.Array(
      Type.Object(
        {
          title: Type.Optional(
            text(24, 'Monday', { description: 'needed where there is more than one section', line: true }),
          ),
          rows: Type.Array(
            Type.Object(
              {
                title: text(24, '9:00', { line: true }),
                description: Type.Optional(text(72, 'first in the morning', { line: true })),
              },
              strict,
            ),
            { minItems: 1, maxItems: 10 },
          ),
        },
        strict,
      ),
      { minItems: 1, maxItems: 10, description: 'at most 10 rows in all; the titles of the rows must differ' },
    ),
  },
  {
    title: 'ListPost',
    ...strict,
    examples: [
      {
        to: '14155550100',
        body: 'When shall we come?',
        buttonText: 'Choose',
        sections: [
          { title: 'Monday', rows: [{ title: '9:00', description: 'first in the morning' }, { title: '14:00' }] },
        ],
      },
    ],
  },
);
export type ListPost = Static<typeof ListPost>;

export const TemplatePost = Type.Object(
  {
    to: Recipient,
    channel,
    reference,
    ...schedule,
    template: TemplateName,
    parameters: Type.Optional(TemplateParameters),
    broadcastName: Type.Optional(
      text(256, 'order-confirmations', { description: 'shown in WATI; the template name if absent', line: true }),
    ),
  },
  {
    title: 'TemplatePost',
    ...strict,
    examples: [
      {
        to: '14155550100',
        template: 'order_update',
        parameters: { customer_name: 'Asha', order_id: 'A-1001', order_status: 'shipped' },
      },
    ],
  },
);
export type TemplatePost = Static<typeof TemplatePost>;
