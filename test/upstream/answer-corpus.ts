/** Answers that were met in the field or are documented, and those that are put together in the same way. */

export const ours = { phone: '14155550123', localMessageId: 'd38f0c3a-1b2c-4d5e-8f90-a1b2c3d4e5f6' };

/** What follows for a text or file, for a template message to one, and for a CSV. */
export interface Case {
  name: string;
  status?: number;
  body: unknown;
  session: string;
  template?: string;
  csv?: string;
}

const mine = { localMessageId: ours.localMessageId, waId: ours.phone, isValidWhatsAppNumber: true, errors: [] };

const accepted: Case[] = [
  ['a bare result', { result: true }],
  ['a result in words', { result: 'success' }],
  ['a result as a string', { result: 'true' }],
  ['ok alone', { ok: true }],
  ['success alone', { success: true }],
  ['all three', { ok: true, result: 'success', success: true }],
  ['no errors in a list', { result: true, errors: [] }],
  ['no errors in a map', { result: true, errors: {} }],
  ['no error', { result: true, error: null }],
  ['an empty error', { result: true, error: '' }],
  [
    'the empty lists of a bulk route',
    { result: true, errors: { error: '', invalidWhatsappNumbers: [], invalidCustomParameters: [] } },
  ],
  ['a valid number', { result: true, validWhatsAppNumber: true }],
  ['an id in the place of a flag', { result: '693fd65f1c2b3a4d5e6f7081' }],
  [
    'a template single',
    {
      result: true,
      phone_number: ours.phone,
      template_name: 't',
      parameteres: [],
      model: { ids: ['693fd65f1c2b3a4d5e6f7081'] },
      validWhatsAppNumber: true,
    },
  ],
  [
    'a message',
    {
      ok: true,
      result: 'success',
      message: { whatsappMessageId: 'wamid.A', text: 'Hi', type: 'text', statusString: 'SENT', ticketId: '1' },
    },
  ],
].map(([name, body]) => ({ name: String(name), body, session: 'accepted' }));

const named: Case[] = [
  { name: 'our receiver', body: { result: true, error: null, receivers: [mine] }, session: 'accepted' },
  {
    name: 'our receiver under the number without the ninth digit',
    body: { result: true, receivers: [{ ...mine, localMessageId: 'other', waId: '551187654322' }] },
    session: 'accepted',
  },
  {
    name: 'our receiver with an error',
    body: { result: true, receivers: [{ ...mine, errors: ['no'] }] },
    session: 'rejected other',
    csv: 'accepted',
  },
  {
    name: 'our receiver, not on WhatsApp',
    body: { result: true, receivers: [{ ...mine, isValidWhatsAppNumber: false }] },
    session: 'rejected recipient',
    csv: 'accepted',
  },
  {
    name: 'our receiver, not on WhatsApp in a string',
    body: { result: true, receivers: [{ ...mine, isValidWhatsAppNumber: 'false' }] },
    session: 'rejected recipient',
    csv: 'accepted',
  },
];

const refused: Case[] = [
  {
    name: 'a closed window',
    body: { result: false, message: 'Ticket has been expired.', ticketStatus: 'CLOSED' },
    session: 'rejected window-closed',
  },
  {
    name: 'a closed ticket without words',
    body: { result: false, ticketStatus: 'EXPIRED' },
    session: 'rejected window-closed',
  },
  {
    name: 'a blocked contact',
    body: { result: false, message: 'The contact is blocked', ticketStatus: 'BLOCK' },
    session: 'rejected other',
  },
  {
    name: 'a trial that ended',
    body: { result: false, message: 'Your trial has expired. Please upgrade your plan.' },
    session: 'rejected account',
  },
  {
    name: 'a subscription that ended',
    body: { result: false, info: 'Your subscription has expired' },
    session: 'rejected account',
  },
  { name: 'a link that ended', body: { result: false, info: 'The link has expired' }, session: 'rejected other' },
  {
    name: 'a token that ended',
    body: { result: false, info: 'Access token has expired' },
    session: 'rejected credentials',
  },
  {
    name: 'no credits',
    body: { result: false, info: 'Insufficient credits in your wallet' },
    session: 'rejected account',
  },
  {
    name: 'a parameter of Meta',
    body: { result: false, info: '(#131009) Parameter value is not valid' },
    session: 'rejected other',
    template: 'rejected template-parameters',
  },
  {
    name: 'typos',
    body: { result: false, info: 'Check your template, it cannot have typos or blank text' },
    session: 'rejected template-parameters',
  },
  {
    name: 'an unknown template',
    body: { result: false, error: 'Template order_update not found', receivers: [] },
    session: 'rejected template',
  },
  { name: 'an unknown contact', body: { result: false, info: "Can't find Contact" }, session: 'rejected recipient' },
  { name: 'an unknown contact in the flag', body: { result: 'Contact not found' }, session: 'rejected recipient' },
  { name: 'an opt-out', body: { result: false, info: 'Contact has opted out' }, session: 'rejected opted-out' },
  { name: 'no file', body: { result: false, info: 'file can not be null' }, session: 'rejected other' },
  { name: 'nothing but a no', body: { ok: false }, session: 'rejected other' },
  {
    name: 'a number that is not on WhatsApp',
    body: { result: true, validWhatsAppNumber: false },
    session: 'rejected recipient',
  },
  {
    name: 'the same in a string',
    body: { result: 'true', validWhatsAppNumber: 'false' },
    session: 'rejected recipient',
  },
  {
    name: 'our number in a list',
    body: { result: true, errors: { error: '', invalidWhatsappNumbers: [ours.phone], invalidCustomParameters: [] } },
    session: 'rejected recipient',
    csv: 'accepted',
  },
  {
    name: 'a parameter in a list',
    body: {
      result: true,
      errors: { error: '', invalidWhatsappNumbers: [], invalidCustomParameters: ['customer_name'] },
    },
    session: 'rejected template-parameters',
    csv: 'accepted',
  },
  {
    name: 'a parameter in a list, and a no',
    body: { result: false, errors: { invalidCustomParameters: ['order_id'] } },
    session: 'rejected template-parameters',
  },
  {
    name: 'an error beside the lists',
    body: { result: true, errors: { error: 'It failed', invalidWhatsappNumbers: [] } },
    session: 'rejected other',
    csv: 'accepted',
  },
  {
    name: 'an error by number',
    body: { result: true, errors: { [ours.phone]: ['no'] } },
    session: 'rejected other',
    csv: 'accepted',
  },
  {
    name: 'an error under a name',
    body: { result: true, errors: { somebody: ['no'] } },
    session: 'rejected other',
    csv: 'accepted',
  },
  {
    name: 'an error in a list',
    body: { result: true, errors: [{ code: 131026, title: 'Undeliverable' }] },
    session: 'rejected recipient',
    csv: 'accepted',
  },
  {
    name: 'a message that failed',
    body: { ok: true, message: { statusString: 'FAILED', failedCode: 131047, failedDetail: 'Re-engagement message' } },
    session: 'rejected window-closed',
  },
];

const byStatus: Case[] = [
  {
    name: 'items',
    status: 400,
    body: { items: [{ code: 'x', description: 'Invalid body' }] },
    session: 'rejected bad-request',
  },
  {
    name: 'validation by field',
    status: 400,
    body: {
      title: 'One or more validation errors occurred.',
      status: 400,
      errors: { messageText: ['The field messageText must be shorter.'] },
    },
    session: 'rejected bad-request',
  },
  { name: 'a connection', status: 400, body: { error: 'Connection has expired' }, session: 'rejected bad-request' },
  { name: 'a key', status: 401, body: { message: 'Invalid API key' }, session: 'rejected credentials' },
  { name: 'a 401 without a word', status: 401, body: '', session: 'rejected credentials' },
  { name: 'a 403 without a word', status: 403, body: '', session: 'rejected credentials' },
  {
    name: 'a 403 of the edge',
    status: 403,
    body: '<!DOCTYPE html><title>Attention Required!</title>',
    session: 'rejected edge',
  },
  {
    name: 'a plan',
    status: 403,
    body: { message: 'This feature is not available in your plan' },
    session: 'rejected account',
  },
  { name: 'a role', status: 403, body: { message: 'Operators may not do this' }, session: 'rejected other' },
  { name: 'a 404 without a word', status: 404, body: '', session: 'rejected recipient' },
  {
    name: 'a route',
    status: 404,
    body: { message: 'No HTTP resource was found that matches the request URI' },
    session: 'rejected route',
  },
  { name: 'too large', status: 413, body: '<html></html>', session: 'rejected other' },
  { name: 'a redirect', status: 307, body: '', session: 'rejected redirect' },
  { name: 'a 302', status: 302, body: '', session: 'unknown' },
  { name: 'too many', status: 429, body: { message: 'Too many requests' }, session: 'not_sent heals' },
  {
    name: 'a quota',
    status: 429,
    body: { message: 'Monthly API call quota exceeded. Upgrade your plan.' },
    session: 'rejected quota',
  },
  ...[
    'Your monthly message limit has been reached',
    'You have exceeded your daily quota',
    'Out of call volume quota. Quota will be replenished in 12:04:05',
  ].map((message): Case => ({ name: message, status: 429, body: { message }, session: 'rejected quota' })),
  ...[
    'API calls quota exceeded! maximum admitted 10 per second',
    'Rate limit is exceeded. Try again in 5 seconds.',
    'quota exceeded for calls per minute',
  ].map((message): Case => ({ name: message, status: 429, body: { message }, session: 'not_sent heals' })),
  {
    name: 'a plan that ended, with a 429',
    status: 429,
    body: { message: 'Your subscription has expired' },
    session: 'rejected account',
  },
  {
    name: 'a 401 about credits',
    status: 401,
    body: { message: 'Insufficient credits' },
    session: 'rejected account',
  },
  {
    name: 'a 500 with a reason',
    status: 500,
    body: { message: 'Connection expired. Please reconnect.' },
    session: 'unknown',
  },
  { name: 'a 502 page', status: 502, body: '<html>Bad gateway</html>', session: 'unknown' },
];

const unclear: Case[] = [
  ['nothing', ''],
  ['a page', '<html>OK</html>'],
  ['cut JSON', '{"ok":true,"result":"succ'],
  ['a list', [{ result: true }]],
  ['a number', 1],
  ['null', null],
  ['an empty object', {}],
  ['no flag', { message: { whatsappMessageId: 'wamid.A' } }],
  ['an unknown word', { result: 'ok' }],
  ['another', { result: 'sent' }],
  ['one more', { result: 'queued' }],
  ['yes and no', { result: true, ok: false }],
  ['a yes with words that refuse', { result: true, message: 'Ticket has been expired.' }],
  ['a yes of a closed ticket', { result: true, ticketStatus: 'CLOSED' }],
  ['a yes and an error in other words', { result: true, errorMessage: 'no' }],
  ['a yes and errors further in', { result: true, data: { errors: ['no'] } }],
  ['a yes and a no of another name', { ok: true, is_success: false }],
  ['a yes and a failed state', { result: 'success', status: 'failed' }],
  ['a yes and a code of failure', { ok: true, message: { failedCode: 131026 } }],
  ['an unknown sentence', { result: 'Something odd came in between' }],
].map(([name, body]) => ({ name: String(name), body, session: 'unknown' }));

export const corpus: readonly Case[] = [...accepted, ...named, ...refused, ...byStatus, ...unclear];

const change = (value: unknown, key: (name: string) => string, leaf: (value: unknown) => unknown): unknown => {
  if (Array.isArray(value)) return value.map((item) => change(item, key, leaf));
  if (typeof value !== 'object' || value === null) return leaf(value);
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [key(name), change(inner, key, leaf)]));
};

const same = <Value>(value: Value) => value;

/** The same answer as other servers would write it. */
export const spellings: readonly [string, (body: unknown) => string][] = [
  ['as it is', (body) => asText(body)],
  ['with a byte order mark', (body) => `\uFEFF${asText(body)}`],
  ['in Pascal case', (body) => asText(change(body, (name) => name.slice(0, 1).toUpperCase() + name.slice(1), same))],
  [
    'with flags as strings',
    (body) => asText(change(body, same, (value) => (typeof value === 'boolean' ? String(value) : value))),
  ],
  ['with blanks around it', (body) => `\r\n ${asText(body)}\n`],
];

export const asText = (body: unknown): string => (typeof body === 'string' ? body : JSON.stringify(body));
