import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Service, startService } from '../support/service.ts';
import { openBrowser, screenshots } from './chromium.ts';
import { newConsolePage, openSection, seriousFindings, unlock } from './console-page.ts';

const readerKey = 'key-of-support-that-only-reads';
const shopKey = 'key-of-the-shop-that-sends';
const crmKey = 'key-of-the-crm-that-sends';
const callers = [
  { name: 'support', key: readerKey, scopes: ['operations:read'] },
  { name: 'billing', key: 'key-of-billing-that-only-sends', scopes: ['messages:send'] },
  { name: 'shop', key: shopKey, scopes: ['messages:send'], messagesPerHour: 3, messagesPerDay: 1_000 },
  { name: 'crm', key: crmKey, scopes: ['messages:send'], messagesPerDay: 20, ratePerSecond: 2 },
];

describe('/console of a real account, with a key that only reads', () => {
  let service: Service;
  let browser: Browser;

  beforeAll(async () => {
    service = await startService({ callers, settings: { DOCS: 'off', CONSOLE: 'on' } });
    browser = await openBrowser();
  });
  afterAll(async () => {
    await browser?.close();
    await service?.close();
  });

  it('says that it is a real account, offers no acts, and names the missing scopes', async () => {
    const { page, requested } = await newConsolePage(browser);
    await unlock(page, { url: service.url, key: readerKey });
    await page.getByText('REAL ACCOUNT').waitFor();
    await page.getByText('support', { exact: true }).waitFor();
    await page.getByText('Shown to a key with the scope connections:read').waitFor();
    await openSection(page, 'Templates');
    await page.getByText('Yours lacks it').waitFor();
    await openSection(page, 'Sending');
    await page.getByText('Stopping needs a key with the scope operations:write').waitFor();
    expect(await page.getByRole('button', { name: 'Stop…' }).count()).toBe(0);
    expect(await seriousFindings(page)).toEqual([]);
    await openSection(page, 'Callers');
    await page.getByRole('rowheader', { name: 'billing' }).waitFor();
    expect(requested.filter((url) => /\/v1\/(templates|connections)/.test(url))).toEqual([]);
    await page.context().close();
  });

  it('shows what each caller sent today, what was refused, and what is left of its quota', async () => {
    const send = (key: string, to: string) =>
      service.ask('POST', '/v1/messages/text', { key, json: { to, text: 'Hi' } });
    const ofShop = ['14155551000', '14155551010', '14155550202', '14155551001'];
    for (const to of ofShop) await send(shopKey, to);
    await Promise.all(Array.from({ length: 6 }, () => send(crmKey, '14155551002')));
    const { page } = await newConsolePage(browser);
    await unlock(page, { url: service.url, key: readerKey });
    await openSection(page, 'Callers');
    const cells = async (name: string) => {
      await page.getByRole('button', { name: 'Read again' }).click();
      const row = page.getByRole('row').filter({ has: page.getByRole('rowheader', { name }) });
      const texts = await row.getByRole('cell').allTextContents();
      return texts.slice(0, 8).map((each) => each.trim());
    };
    // Accepted, rejected, not sent, unknown, 429s, queued, on the wire, quota left. The counts are some seconds late.
    const patient = { timeout: 20_000, interval: 200 };
    await expect
      .poll(() => cells('shop'), patient)
      .toEqual(['1', '1', '0', '1', '1', '0', '0', '0 this hour, 997 today']);
    await expect.poll(() => cells('crm'), patient).toEqual(['2', '0', '0', '0', '4', '0', '0', '18 today']);
    expect(await cells('billing')).toEqual(['0', '0', '0', '0', '0', '0', '0', 'no limit']);
    await page.screenshot({ path: `${screenshots}/console/callers-quotas.png` });
    expect(await seriousFindings(page)).toEqual([]);
    await page.context().close();
  });

  it('does not open with the key of a caller without operations:read', async () => {
    const { page } = await newConsolePage(browser);
    await page.goto(`${service.url}/console`);
    await page.getByLabel('Key', { exact: true }).fill('key-of-billing-that-only-sends');
    await page.keyboard.press('Enter');
    await page.getByRole('alert').getByText('operations:read').waitFor();
    await page.context().close();
  });
});
