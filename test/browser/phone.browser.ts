import { mkdirSync } from 'node:fs';
import { pino } from 'pino';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { sandboxKey } from '../../src/callers/sandbox-key.ts';
import { type Sandbox, startSandbox } from '../../src/sandbox/sandbox.ts';
import { isRecord, type Json } from '../support/json.ts';
import { openBrowser, screenshots } from './chromium.ts';
import { type ConsolePage, newConsolePage, seriousFindings } from './console-page.ts';

const number = '14155550113';

describe('the phone of the sandbox, as a newcomer uses it', () => {
  let sandbox: Sandbox;
  let browser: Browser;
  let page: Page;
  const pages: ConsolePage[] = [];

  const ask = async (path: string, body?: object) => {
    const answer = await fetch(`${sandbox.url}${path}`, {
      headers: { authorization: `Bearer ${sandboxKey}`, 'content-type': 'application/json' },
      ...(body && { method: 'POST', body: JSON.stringify(body) }),
    });
    const json: unknown = await answer.json();
    if (!answer.ok || !isRecord(json)) throw new Error(`${path}: ${JSON.stringify(json)}`);
    return json;
  };
  const send = (kind: string, body: object) => ask(`/v1/messages/${kind}`, { to: number, ...body });
  const bubble = (text: string) => page.locator('.phone-bubble', { hasText: text }).last();
  const tap = (name: string) => page.getByRole('button', { name, exact: true }).click();

  async function newPage(look: BrowserContextOptions = {}): Promise<Page> {
    const opened = await newConsolePage(browser, look);
    pages.push(opened);
    return opened.page;
  }

  async function openPhone(at: Page, phone = number): Promise<void> {
    await at.goto(`${sandbox.url}/console#/phone/${phone}`);
    await at.getByRole('button', { name: 'Use the key of the sandbox' }).click();
    await at.locator('.phone-handset').waitFor();
  }

  beforeAll(async () => {
    mkdirSync(screenshots, { recursive: true });
    const environment = { PORT: '0', MATON_RATE_PER_SECOND: '100000' };
    sandbox = await startSandbox(environment, { logger: () => pino({ level: 'silent' }) });
    browser = await openBrowser();
  });
  afterAll(async () => {
    await browser?.close();
    await sandbox?.close();
  });
  beforeEach(async () => {
    await ask('/_sandbox/reset', {});
    await page?.context().close();
    page = await newPage();
  });

  it('opens with one click on the newest conversation, and finds any other', async () => {
    await page.goto(`${sandbox.url}/`);
    await page.getByRole('link', { name: 'A phone' }).click();
    await tap('Use the key of the sandbox');
    await page.locator('.phone-handset').waitFor();
    await page.getByRole('searchbox').fill('+4915112345678');
    await page.keyboard.press('Enter');
    await page.getByText('No messages yet').waitFor();
    await page.getByRole('textbox', { name: 'Answer as the customer' }).fill('Hallo!');
    await page.keyboard.press('Enter');
    await bubble('Hallo!').waitFor();
    await page.getByRole('searchbox').fill('divya customer113');
    await page.getByRole('link', { name: 'Divya Customer113' }).click();
    await page.getByRole('region', { name: 'The phone of Divya Customer113' }).waitFor();
  });

  it('shows messages and their ticks as they change, and accepts answers and taps', async () => {
    await openPhone(page);
    await send('text', { text: 'Your parcel is *here*.' });
    await bubble('Your parcel is here.').getByRole('img', { name: 'Read' }).waitFor();
    await send('template', {
      template: 'invoice_ready',
      parameters: { name: 'Divya', invoice_no: '7', amount: '9 EUR' },
    });
    await bubble('Hello Divya, invoice 7 over 9 EUR is ready.').getByRole('link', { name: 'Open' }).waitFor();
    expect(await bubble('Hello Divya').textContent()).toMatch(/Your invoice.*Reply STOP to opt out/s);
    await tap('Call me back');
    await page.locator('.phone-bubble[data-from="customer"]', { hasText: 'Call me back' }).waitFor();
    expect(await page.getByRole('button', { name: 'Call me back' }).isDisabled()).toBe(true);

    await send('list', {
      body: 'When?',
      buttonText: 'Times',
      sections: [{ rows: [{ title: '9 h' }, { title: '17 h' }] }],
    });
    await tap('Times');
    await page.getByRole('dialog').waitFor();
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'hidden' });
    await tap('Times');
    await page.getByRole('dialog').getByRole('button', { name: '17 h' }).click();
    await page.locator('.phone-bubble[data-from="customer"]', { hasText: '17 h' }).waitFor();

    await send('file-link', { url: 'https://example.com/a/terms.pdf', caption: 'Terms' });
    await bubble('terms.pdf').waitFor();
    await page.getByLabel('Attach a file').selectOption('document');
    await page.locator('.phone-bubble[data-from="customer"]', { hasText: 'Terms and conditions.txt' }).waitFor();
    const { data } = await ask(`/v1/conversations/${number}/messages?pageSize=3`);
    expect(data).toMatchObject([
      { direction: 'in', type: 'document' },
      { direction: 'out' },
      { direction: 'in', text: '17 h' },
    ]);
  });

  it('shows a picture, quotes the message that is answered, and tells of a tap on a link', async () => {
    await openPhone(page);
    await send('template', {
      template: 'invoice_ready',
      parameters: { name: 'Divya', invoice_no: '7', amount: '9 EUR' },
    });
    await bubble('Hello Divya').getByRole('button', { name: 'Answer this message' }).click();
    await page.getByRole('textbox', { name: 'Answer as the customer' }).fill('About this one');
    await page.keyboard.press('Enter');
    await bubble('About this one').locator('.phone-quote', { hasText: 'Hello Divya' }).waitFor();
    await page.getByRole('button', { name: 'Do not quote' }).waitFor({ state: 'detached' });
    await page.getByLabel('Attach a file').selectOption('image');
    await page.getByRole('img', { name: 'Photo' }).waitFor();
    const picture = 'document.querySelector(".phone-picture")';
    expect(await page.evaluate(`${picture}.decode().then(() => ${picture}.naturalWidth)`)).toBe(1);
    // The link is followed elsewhere; only the tap is of interest.
    await page.context().route(/^https:/, (route) => route.abort());
    const told = page.waitForResponse(/_sandbox\/clicks/);
    await page.getByRole('link', { name: 'Open', exact: true }).last().click();
    expect((await told).status()).toBe(200);
  });

  it('marks messages that never arrived', async () => {
    await openPhone(page, '14155550726');
    await tap('Text');
    await page.getByText('Not on the phone: 131026 Message undeliverable').waitFor();
  });

  it('moves the clock, loses the next answer, and resets the sandbox', async () => {
    await openPhone(page);
    await tap('A day later');
    await page.locator('.phone-day', { hasText: 'Yesterday' }).waitFor();
    await page.getByText('Window closed').waitFor();
    await page.getByRole('textbox', { name: 'Answer as the customer' }).fill('Hello again');
    await tap('Send');
    await page.locator('.phone-day', { hasText: 'Today' }).waitFor();
    await page.getByText('Window open').waitFor();

    await tap('The next answer is lost');
    await page.getByText('Armed').waitFor();
    await tap('Text');
    await page.locator('.chip', { hasText: 'unknown' }).waitFor();
    await bubble('Your parcel A-1001').waitFor();
    await page.getByText('Armed').waitFor({ state: 'detached' });

    await tap('Reset the sandbox');
    await tap('Reset everything');
    await bubble('Your parcel A-1001').waitFor({ state: 'detached' });
    expect((await ask('/_sandbox/clock')).advancedSeconds).toBe(0);
  });

  it.each([
    { colorScheme: 'light' as const, width: 1360 },
    { colorScheme: 'dark' as const, width: 1360 },
    { colorScheme: 'light' as const, width: 390 },
    { colorScheme: 'dark' as const, width: 390 },
  ])(
    'has no fault of access in $colorScheme at $width pixels, and nothing beside the page',
    async ({ colorScheme, width }) => {
      const own = await newPage({ viewport: { width, height: 900 }, colorScheme });
      await openPhone(own);
      for (const kind of ['Template', 'Buttons', 'List', 'File', 'Text']) {
        await own.getByRole('button', { name: kind, exact: true }).click();
        await own.locator('.phone-side .chip', { hasText: 'accepted' }).waitFor();
      }
      await own.getByRole('button', { name: 'Yes, please' }).click();
      await own.locator('.phone-bubble .phone-quote').waitFor();
      await own.getByText('Other faults').click();
      await own.getByText('Customers with a part to play').click();
      await own.screenshot({ path: `${screenshots}/phone-${colorScheme}-${width}.png`, fullPage: true });
      expect(await own.evaluate('document.documentElement.scrollWidth - innerWidth')).toBeLessThanOrEqual(0);
      expect(await seriousFindings(own)).toEqual([]);
      await own.context().close();
    },
  );

  it.each(['light', 'dark'] as const)('makes the picture of the README: %s', async (colorScheme) => {
    await tellStory(ask);
    const own = await newPage({ viewport: { width: 1280, height: 880 }, colorScheme });
    await openPhone(own, priya);
    await own.getByRole('button', { name: 'The next answer is lost' }).click();
    await own.getByText('Armed').waitFor();
    await own.mouse.move(5, 400);
    await own.locator('.phone-bubble', { hasText: 'Your invoice' }).getByRole('img', { name: 'Read' }).waitFor();
    // docs/images contains these in 256 colours, made by: convert -dither None -colors 256 -strip.
    await own.screenshot({ path: `${screenshots}/readme-${colorScheme}.png` });
    await own.context().close();
  });

  it('sends requests only to the sandbox, and violates no content security policy', () => {
    const requested = pages.flatMap((each) => each.requested);
    expect(requested.filter((url) => !url.startsWith(`${sandbox.url}/`))).toEqual([]);
    expect(requested.join()).not.toContain(sandboxKey);
    expect(pages.flatMap(({ complaints }) => complaints)).toEqual([]);
  });
});

const priya = '14155550131';

/** Sends the messages of a shop's day, for the picture. */
async function tellStory(ask: (path: string, body?: object) => Promise<Json>): Promise<void> {
  const wrote = (from: string, text: string, name: string) => ask('/_sandbox/messages', { from, text, name });
  const sent = (kind: string, body: object) => ask(`/v1/messages/${kind}`, { to: priya, ...body });
  await ask('/_sandbox/templates', {
    name: 'delivery_slot',
    header: { type: 'text', text: 'Your order A-1077' },
    body: 'Hi {{name}}, your *{{item}}* leaves our shop tonight. When may we ring your bell?',
    footer: 'Blue Door Furniture',
    buttons: [
      { type: 'quick_reply', text: 'In the morning' },
      { type: 'quick_reply', text: 'In the evening' },
      { type: 'url', text: 'Follow the van', url: 'https://example.com/van/{{van}}' },
    ],
  });
  await wrote('4915112340003', 'Thanks, that was quick!', 'Lena Hoffmann');
  await wrote('33612340005', 'Bonjour, is the lamp back?', 'Amina Diallo');
  await wrote(priya, 'Hi, when will my sofa arrive?', 'Priya Nair');
  await sent('text', { text: 'Hello Priya, we will write as soon as it is packed.' });
  await ask('/_sandbox/clock', { advanceSeconds: 86_400 });
  await wrote('393331234567', 'Perfect, see you on Monday', 'Sofia Rossi');
  await wrote('905321234567', 'Can I change the colour?', 'Emre Yilmaz');
  await sent('template', {
    template: 'delivery_slot',
    parameters: { name: 'Priya', item: 'green sofa', van: '12' },
  });
  const { data } = await ask(`/_sandbox/phones/${priya}?limit=1`);
  const [asked] = Array.isArray(data) ? data : [];
  await ask('/_sandbox/messages', { from: priya, replyTo: asked?.id, button: 'In the evening' });
  await sent('file-link', { url: 'https://example.com/invoice-A-1077.pdf', caption: 'Your invoice' });
}
