import { expect, test } from 'vitest';
import type { Json } from '../support/json.ts';
import { otp, started } from './helper.ts';
import { openReceiver } from './receiver.ts';

const day = 24 * 3_600_000;
const all = ['sent', 'delivered', 'read'];

/** What is posted of a message to a recipient that ends so, in order, and what its history says in the end. */
const promised: readonly (readonly [digits: string, posted: readonly string[], status: string])[] = [
  ['0000', all, 'READ'],
  ['7777', all, 'READ'],
  ['0701', ['sent', 'delivered'], 'DELIVERED'],
  ['0702', ['sent'], 'SENT'],
  ['0703', ['sent', 'read'], 'READ'],
  ['0704', [...all, 'tapped', 'replied'], 'REPLIED'],
  ['0726', ['sent', 'failed 131026'], 'FAILED'],
  ['0747', ['sent', 'failed 131047'], 'FAILED'],
  ['0749', ['sent', 'failed 131049'], 'FAILED'],
  ['0750', ['sent', 'failed 131026', 'delivered'], 'DELIVERED'],
  ['0751', all.flatMap((fact) => Array.from({ length: 3 }, () => [`${fact} plain`, fact]).flat()), 'READ'],
  ['0752', ['read', 'delivered', 'sent'], 'READ'],
  ['0753', all, 'READ'],
  ['0754', [], 'READ'],
  ['0755', all, 'READ'],
  ['0756', all, 'READ'],
  ['0757', [...all, 'written', 'replied'], 'REPLIED'],
  // In doubt until it is looked up.
  ['0202', [], 'READ'],
];

type Client = Awaited<ReturnType<typeof started>>;
type Send = (client: Client, to: string) => Promise<unknown>;

const v1 = '/api/v1';
const form = (name: string, filename: string, content: string) => ({
  method: 'POST' as const,
  headers: { 'content-type': 'multipart/form-data; boundary=b' },
  body: `--b\r\nContent-Disposition: form-data; name="${name}"; filename="${filename}"\r\nContent-Type: text/csv\r\n\r\n${content}\r\n--b--\r\n`,
});
const interactive =
  (kind: string, body: object): Send =>
  ({ gateway }, to) =>
    gateway(`${v1}/sendInteractive${kind}Message`, { method: 'POST', query: { whatsappNumber: to }, json: body });
const list = { body: 'When?', buttonText: 'Choose', sections: [{ title: 'Monday', rows: [{ title: '9:00' }] }] };
const single = { template_name: 'invoice_ready', broadcast_name: 'b' };
const parameters = ['name', 'invoice_no', 'amount'].map((name) => ({ name, value: '1' }));

/** Every operation that puts a message before somebody, and what a tap on it looks like. */
const kinds: readonly (readonly [name: string, prefix: string, send: Send, tap: object])[] = [
  ['text', '1415556', ({ text }, to) => text(to), { interactiveButtonReply: { title: 'Yes' } }],
  [
    'file',
    '1415557',
    ({ gateway }, to) => gateway(`${v1}/sendSessionFile/${to}`, form('file', 'a.csv', 'a,b')),
    { interactiveButtonReply: { title: 'Yes' } },
  ],
  [
    'file by its address',
    '1415558',
    ({ gateway }, to) =>
      gateway(`${v1}/sendSessionFileViaUrl/${to}`, { method: 'POST', query: { fileUrl: 'https://a.example/a.pdf' } }),
    { interactiveButtonReply: { title: 'Yes' } },
  ],
  [
    'buttons',
    '1415559',
    interactive('Buttons', { body: 'Shall we?', buttons: [{ text: 'Do' }, { text: 'No' }] }),
    { type: 'interactive', interactiveButtonReply: { title: 'Do' } },
  ],
  ['list', '1415560', interactive('List', list), { type: 'interactive', listReply: { title: '9:00' } }],
  [
    'template',
    '1415561',
    ({ gateway }, to) =>
      gateway(`${v1}/sendTemplateMessage`, {
        method: 'POST',
        query: { whatsappNumber: to },
        json: { ...single, parameters },
      }),
    { type: 'button', buttonReply: { text: 'Call me back', payload: 'Call me back' } },
  ],
  [
    'template of v2',
    '1415562',
    ({ gateway }, to) =>
      gateway('/api/v2/sendTemplateMessage', {
        method: 'POST',
        query: { whatsappNumber: to },
        json: { ...single, parameters },
      }),
    { type: 'button', buttonReply: { text: 'Call me back' } },
  ],
  [
    'bulk of templates',
    '1415563',
    ({ template }, to) => template(otp(to), otp(to.replace('141556', '141566'))),
    { type: 'button' },
  ],
  [
    'CSV',
    '1415564',
    ({ gateway }, to) =>
      gateway(
        `${v1}/sendTemplateMessageCSV?template_name=welcome&broadcast_name=b`,
        form('whatsapp_numbers_csv', 'a.csv', `Phone\r\n${to}`),
      ),
    { type: 'button' },
  ],
];

test.each(kinds)('a %s is told as the table of recipients says, in webhooks and in the history', async (...kind) => {
  const [, prefix, send, tap] = kind;
  const { bodies: posted, url } = await openReceiver();
  const now = Date.now();
  const client = await started({ now: () => now, webhooks: { url } });
  const { simulator } = client;
  simulator.tenant.receive(`${prefix}7777`, 'Hello');
  for (const [digits] of promised) await send(client, `${prefix}${digits}`).catch(() => undefined);
  await simulator.advance(2_500);
  const early = posted.length;
  await simulator.advance(day);

  for (const [digits, expected, status] of promised) {
    const phone = `${prefix}${digits}`;
    const rows = simulator.tenant.history.get(phone) ?? [];
    const [row] = rows.filter(({ localMessageId, owner }) => owner !== false && localMessageId);
    const { id, localMessageId, whatsappMessageId } = row ?? {};
    const own = posted.filter((body) => body.id === id || body.replyContextId === whatsappMessageId);
    expect(own.map(wordOf), digits).toEqual(expected);
    expect(row?.statusString, digits).toBe(status);
    for (const body of own.filter((each) => each.id === id)) {
      expect(body.whatsappMessageId).toBe(whatsappMessageId);
      if (/_v2|Failed/.test(String(body.eventType))) expect(body.localMessageId).toBe(localMessageId);
      else expect(body).not.toHaveProperty('localMessageId');
    }
    // The reply is in the history as well, under the ids of its event.
    const reply = own.find(({ owner }) => owner === false);
    if (reply) expect(rows.map((each) => each.id)).toContain(reply.id);
    if (digits === '0704') expect(reply).toMatchObject({ ...tap, waId: phone, conversationId: row?.conversationId });
    if (digits === '0757') {
      expect(reply).toMatchObject({ waId: null, bsuid: expect.stringMatching(/^US\.\d+$/) });
      expect(JSON.stringify(reply)).not.toContain(phone);
    }
    if (digits === '0753') expect(Math.min(...own.map((body) => posted.indexOf(body)))).toBeGreaterThanOrEqual(early);
  }
});

/** One word for what an event says; `plain` where it is not the `_v2` one. */
function wordOf({ eventType, failedCode, waId }: Json): string {
  const name = String(eventType);
  if (name === 'message') return waId === null ? 'written' : 'tapped';
  if (/Failed$/.test(name)) return `failed ${failedCode}`;
  const fact = /(Sent|DELIVERED|READ|REPLIED)(_v2)?$/.exec(name);
  return `${fact?.[1]?.toLowerCase() ?? name}${fact?.[2] ? '' : ' plain'}`;
}
