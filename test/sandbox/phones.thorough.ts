import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { sandboxKey } from '../../src/callers/sandbox-key.ts';
import type { sendFaults } from '../../src/simulator/send-faults.ts';
import { isRecord, type Json } from '../support/json.ts';
import { startService } from '../support/service.ts';
import { openSandbox, started } from './helper.ts';

const to = '14155550113';

type Opened = Awaited<ReturnType<typeof openSandbox>>;

/** Shared by the tests that are not concerned by what others have sent. */
let shared: Opened;
beforeAll(async () => {
  shared = await openSandbox();
});
afterAll(() => shared.sandbox.close());

function withPhones(sandbox: Opened = shared) {
  const { ask } = sandbox;
  const phone = async (number: string, query = '') => {
    const { json } = await ask('GET', `/_sandbox/phones/${number}${query}`);
    if (!Array.isArray(json.data)) throw new Error(JSON.stringify(json));
    return { ...json, data: json.data.filter(isRecord) };
  };
  return {
    ...sandbox,
    phone,
    send: (kind: string, body: Json) => ask('POST', `/v1/messages/${kind}`, { to, ...body }),
    wrote: (body: Json) => ask('POST', '/_sandbox/messages', { from: to, ...body }),
    newest: async () => (await phone(to)).data.at(-1),
  };
}

describe('GET /_sandbox/phones/{number}', () => {
  it('shows a message of each kind as the customer sees it', async () => {
    const { ask, send, newest, wrote } = withPhones();
    await ask('POST', '/_sandbox/templates', {
      name: 'parcel_here',
      header: { type: 'text', text: 'Hello {{name}}' },
      body: 'It is on *shelf* {{shelf}}.',
      footer: 'Reply STOP to opt out',
      buttons: [
        { type: 'url', text: 'Track', url: 'https://example.com/t/{{number}}' },
        { type: 'quick_reply', text: 'Thanks' },
        { type: 'phone_number', text: 'Call us' },
      ],
    });
    const sent: [kind: string, body: Json, seen: Json][] = [
      ['text', { text: 'Your parcel is here.' }, { text: 'Your parcel is here.', from: 'company' }],
      [
        'template',
        { template: 'parcel_here', parameters: { name: 'Asha', shelf: '12', number: 'A 1' } },
        {
          template: 'parcel_here',
          header: { text: 'Hello Asha' },
          text: 'It is on *shelf* 12.',
          footer: 'Reply STOP to opt out',
          buttons: [
            { kind: 'url', text: 'Track', url: 'https://example.com/t/A 1' },
            { kind: 'reply', text: 'Thanks' },
            { kind: 'call', text: 'Call us' },
          ],
        },
      ],
      [
        'template',
        {
          template: 'parcel_photo',
          parameters: { name: 'Asha', image: 'https://example.com/a/door%20step.jpg', parcel_id: 'P-1' },
        },
        {
          header: { file: { kind: 'image', name: 'door step.jpg' } },
          text: 'Hi Asha, your parcel is here.',
          buttons: [{ kind: 'url', text: 'Track', url: 'https://example.com/parcels/P-1' }],
        },
      ],
      [
        'template',
        { template: 'summer_picks', parameters: { name: 'Asha', card1_price: '10 EUR' } },
        {
          cards: [
            {
              header: { file: { kind: 'image', name: 'shoe.jpg' } },
              text: 'Shoes, now 10 EUR',
              buttons: [{ kind: 'reply', text: 'Take them' }],
            },
          ],
        },
      ],
      [
        'file-link',
        { url: 'https://example.com/files/invoice.pdf', caption: 'The invoice' },
        { file: { kind: 'document', name: 'invoice.pdf' }, text: 'The invoice' },
      ],
      [
        'buttons',
        { header: { type: 'text', text: 'Delivery' }, body: 'Keep it?', footer: 'Today', buttons: [{ text: 'Yes' }] },
        {
          header: { text: 'Delivery' },
          text: 'Keep it?',
          footer: 'Today',
          buttons: [{ kind: 'reply', text: 'Yes' }],
        },
      ],
      [
        'list',
        {
          body: 'When?',
          buttonText: 'Choose',
          sections: [{ title: 'Morning', rows: [{ title: '9 h', description: 'early' }] }],
        },
        {
          text: 'When?',
          list: { label: 'Choose', sections: [{ title: 'Morning', rows: [{ title: '9 h', description: 'early' }] }] },
        },
      ],
    ];
    for (const [kind, body, seen] of sent) {
      expect((await send(kind, body)).json, JSON.stringify(body)).toMatchObject({ status: 'accepted' });
      expect(await newest(), kind).toMatchObject(seen);
    }
    const written: [Json, Json][] = [
      [{ text: 'Thank you' }, { text: 'Thank you', from: 'customer', state: 'delivered' }],
      [{ media: 'document' }, { file: { kind: 'document', name: 'Terms and conditions.txt' }, text: null }],
      [
        { media: 'image', text: 'My door' },
        { file: { kind: 'image', name: 'image' }, text: 'My door' },
      ],
    ];
    for (const [body, seen] of written) {
      await wrote(body);
      expect(await newest()).toMatchObject(seen);
    }
  });

  it('shows the name and the size of a file that was uploaded', async () => {
    const { sandbox, newest } = withPhones();
    const form = new FormData();
    form.set('file', new Blob(['%PDF-1.7\n'], { type: 'application/pdf' }), '100 %20.pdf');
    await fetch(`${sandbox.url}/v1/messages/file?to=${to}&caption=Bill`, {
      method: 'POST',
      headers: { authorization: `Bearer ${sandboxKey}` },
      body: form,
    });
    expect(await newest()).toMatchObject({ file: { kind: 'document', name: '100 %20.pdf', bytes: 9 }, text: 'Bill' });
  });

  it('has the pictures that were sent and received, and no other file', async () => {
    const { sandbox, newest, wrote } = withPhones();
    const picture = async () => {
      const file = (await newest())?.file;
      const path = isRecord(file) ? String(file.path) : '';
      return fetch(new URL(`/_sandbox/pictures?path=${encodeURIComponent(path)}`, sandbox.url));
    };
    const png = Buffer.from(
      'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg==',
      'base64',
    );
    const form = new FormData();
    form.set('file', new Blob([png], { type: 'image/png' }), 'door.png');
    const answer = await fetch(`${sandbox.url}/v1/messages/file?to=${to}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${sandboxKey}` },
      body: form,
    });
    expect(answer.status, await answer.text()).toBe(201);
    const sent = await picture();
    expect(sent.headers.get('content-type')).toBe('image/png');
    expect(Buffer.from(await sent.arrayBuffer())).toEqual(png);
    await wrote({ media: 'image' });
    expect((await picture()).headers.get('content-type')).toBe('image/png');
    await wrote({ media: 'document' });
    expect((await picture()).status).toBe(400);
  });

  it("posts the webhook of a tap on a button with a link, which is an event of the message's caller", async () => {
    const { ask, send, list, phone } = withPhones();
    const { nextCursor } = (await ask('GET', '/v1/events?cursor=latest')).json;
    const parameters = { name: 'Asha', image: 'https://example.com/a.jpg', parcel_id: 'P-1' };
    const { json } = await send('template', { template: 'parcel_photo', parameters });
    const message = (await phone(to)).data.at(-1)?.id;
    const click = (button: string) => ask('POST', '/_sandbox/clicks', { from: to, message, button });
    expect((await click('Track')).json).toMatchObject({ url: 'https://example.com/parcels/P-1' });
    const told = async () =>
      (await list(`/v1/events?cursor=${nextCursor}`)).filter(({ type }) => type === 'message.clicked');
    await expect.poll(told, { timeout: 10_000 }).toMatchObject([{ data: { message: { id: json.id } } }]);
    expect((await click('Buy')).json).toEqual({ error: 'There is no button Buy with a link in that message' });
  });

  it('accepts a tap by the id that it shows, marks the button, and quotes its message', async () => {
    const { send, wrote, phone, ask } = withPhones();
    const { json } = await send('buttons', { body: 'Keep it?', buttons: [{ text: 'Yes' }, { text: 'No' }] });
    const [asked] = (await phone(to)).data.slice(-1);
    expect((await wrote({ replyTo: asked?.id, button: 'No' })).status).toBe(200);
    expect((await phone(to)).data.slice(-2)).toMatchObject([
      { buttons: [{ text: 'Yes' }, { text: 'No', tapped: true }], state: 'read' },
      { from: 'customer', text: 'No', tapped: true, quotes: { id: asked?.id, from: 'company', text: 'Keep it?' } },
    ]);
    const replied = async () => (await ask('GET', `/v1/messages/${String(json.id)}`)).json.delivery;
    await expect.poll(replied).toMatchObject({ repliedAt: expect.any(String) });
  });

  it('shows the ticks of messages until they are read, or as far as they get', async () => {
    const { text, phone, advance } = withPhones();
    const ends = { '0000': 'read', '0701': 'delivered', '0702': 'sent', '0726': 'failed' };
    const numbers = Object.keys(ends).map((digits) => `1415555${digits}`);
    await Promise.all(numbers.map((number) => text(number)));
    await advance(5);
    const last = await Promise.all(numbers.map(async (number) => (await phone(number)).data.at(-1)));
    expect(last.map((message) => message?.state)).toEqual(Object.values(ends));
    expect(last.at(-1)?.failure).toEqual({ code: '131026', detail: 'Message undeliverable' });
  });

  it('returns the newest messages, the number of earlier ones, whether the window is open, and the time', async () => {
    const { phone, advance } = withPhones(await started());
    expect(await phone('14155551000', '?limit=2')).toMatchObject({
      phone: '14155551000',
      name: 'Asha Customer000',
      advancedSeconds: 0,
      window: { isOpen: true, endsAt: expect.stringMatching(/Z$/) },
      earlier: 33,
      data: [{ text: 'Too late', state: 'failed' }, { text: 'Hello, is my order on its way?' }],
    });
    await advance(86_400);
    expect(await phone('14155551000')).toMatchObject({ window: { isOpen: false }, advancedSeconds: 86_400 });
    // A number that is unknown and has no conversation.
    expect(await phone('4915112345678')).toEqual({
      phone: '4915112345678',
      name: '4915112345678',
      advancedSeconds: 86_400,
      earlier: 0,
      data: [],
    });
  });

  it('says what is wrong with a request', async () => {
    const { ask } = shared;
    for (const [path, error] of [
      ['Asha', 'Asha is no phone number in digits, with its country code'],
      ['%2B14155550113?limit=0', 'limit must be a whole number from 1 to 1000'],
      ['14155550113?before=1', 'There is no query parameter before; there are limit'],
      ['14155550113/a', 'There is no GET /_sandbox/phones/14155550113/a; GET /_sandbox lists what there is'],
      ['%', '% is no phone number in digits, with its country code'],
    ])
      expect((await ask('GET', `/_sandbox/phones/${path}`)).json).toEqual({ error });
  });
});

describe('GET /_sandbox/phones', () => {
  it('lists customers with a conversation, newest first, and finds them by number and name', async () => {
    const { ask, text, wrote, list } = withPhones(await started());
    await text('14155550100');
    await wrote({ text: 'Hi' });
    const { json } = await ask('GET', '/_sandbox/phones?limit=2');
    expect(json).toMatchObject({
      total: 42,
      data: [
        { phone: to, name: 'Divya Customer113', last: { from: 'customer', text: 'Hi', at: expect.any(String) } },
        { phone: '14155550100', last: { from: 'company', text: 'Hello' } },
      ],
    });
    const found = async (search: string) => (await list(`/_sandbox/phones?search=${search}`)).map(({ phone }) => phone);
    expect(await found('0113')).toEqual([to]);
    expect(await found('customer113')).toEqual([to]);
    expect(await found('nobody')).toEqual([]);
    expect((await ask('GET', '/_sandbox/phones?limit=501')).status).toBe(400);
  });
});

describe('POST /_sandbox/next-sends', () => {
  const outcomes: Record<Exclude<keyof typeof sendFaults, 'answer-late'>, { status: string; arrives: boolean }> = {
    'answer-lost': { status: 'unknown', arrives: true },
    'request-lost': { status: 'unknown', arrives: false },
    'too-many-requests': { status: 'accepted', arrives: true },
    'server-error': { status: 'unknown', arrives: false },
  };

  it('makes only the next send fail', async () => {
    const { ask, text, phone } = withPhones();
    for (const [fault, { status, arrives }] of Object.entries(outcomes)) {
      const set = await ask('POST', '/_sandbox/next-sends', { fault });
      expect(set.json).toEqual({ waiting: [fault] });
      const first = await text(to, fault);
      const settled = async () => (await ask('GET', `/v1/messages/${String(first.json.id)}`)).json.status;
      await expect.poll(settled, { message: fault }).toBe(status);
      expect((await ask('GET', '/_sandbox/next-sends')).json).toEqual({ waiting: [] });
      expect((await text(to, `after ${fault}`)).json.status).toBe('accepted');
      const texts = (await phone(to)).data.map((message) => message.text);
      expect(texts.slice(arrives ? -2 : -1)).toEqual([...(arrives ? [fault] : []), `after ${fault}`]);
      expect(texts.includes(fault)).toBe(arrives);
    }
  });

  it('holds an answer back while the message arrives', async () => {
    const { ask, text, newest, list } = withPhones(await started());
    await ask('POST', '/_sandbox/next-sends', { fault: 'answer-late' });
    // Not awaited, because the answer comes when the sandbox ends.
    text(to, 'Late').catch(() => undefined);
    await expect.poll(async () => (await newest())?.text).toBe('Late');
    expect(await list('/v1/messages')).toMatchObject([{ status: 'sending' }]);
  });

  it('leaves the message of a lost answer unknown until it is looked up', async () => {
    const { ask, text, advance } = shared;
    await ask('POST', '/_sandbox/next-sends', { fault: 'answer-lost' });
    const { json } = await text(to);
    expect(json.status).toBe('unknown');
    const of = async () => (await ask('GET', `/v1/messages/${String(json.id)}`)).json.status;
    await advance(10);
    expect(await of()).toBe('unknown');
    await advance(60);
    await vi.waitFor(async () => expect(await of()).toBe('accepted'), { timeout: 15_000, interval: 50 });
  });

  it('can repeat a fault and clear it, and a reset clears it too', async () => {
    const { ask, reset } = await started();
    const set = async (body: Json) => (await ask('POST', '/_sandbox/next-sends', body)).json;
    expect(await set({ fault: 'server-error', times: 2 })).toEqual({ waiting: ['server-error', 'server-error'] });
    expect(await set({ fault: 'none' })).toEqual({ waiting: [] });
    await set({ fault: 'answer-lost' });
    await reset();
    expect((await ask('GET', '/_sandbox/next-sends')).json).toEqual({ waiting: [] });
    for (const wrong of [{}, { fault: 'toString' }, { fault: 'none', times: 0 }, { fault: 'answer-lost', times: 101 }])
      expect(await set(wrong)).toEqual({ error: expect.stringContaining('"answer-lost"') });
  });
});

describe('GET /_sandbox/key', () => {
  it('returns the key of the only caller', async () => {
    const { ask } = shared;
    expect((await ask('GET', '/_sandbox/key')).json).toEqual({ key: sandboxKey });
  });
});

describe('the phone of the console', () => {
  it('is served only by a sandbox', async () => {
    const { sandbox } = shared;
    const real = await startService({ settings: { CONSOLE: 'on' } });
    onTestFinished(() => real.close());
    const statuses = async (base: string) => {
      const paths = [
        '/console',
        '/assets/any/phone.js',
        '/assets/any/phone-send.js',
        '/_sandbox/key',
        '/_sandbox/phones',
      ];
      return await Promise.all(paths.map(async (path) => (await fetch(new URL(path, base))).status));
    };
    expect(await statuses(sandbox.url)).toEqual([200, 200, 200, 200, 200]);
    expect(await statuses(real.url)).toEqual([200, 404, 404, 404, 404]);
  });
});
