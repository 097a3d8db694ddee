import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Service, startService } from '../support/service.ts';
import { openBrowser } from './chromium.ts';
import { newConsolePage, openSection, seriousFindings, unlock } from './console-page.ts';

const readerKey = 'key-of-support-that-only-reads';
const callers = [
  { name: 'support', key: readerKey, scopes: ['operations:read'] },
  { name: 'billing', key: 'key-of-billing-that-only-sends', scopes: ['messages:send'] },
];

describe('/console of a real account, with a key that only reads', () => {
  let service: Service;
  let browser: Browser;

  beforeAll(async () => {
    service = await startService({ callers, settings: { DOCS: 'off' } });
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

  it('does not open with the key of a caller without operations:read', async () => {
    const { page } = await newConsolePage(browser);
    await page.goto(`${service.url}/console`);
    await page.getByLabel('Key', { exact: true }).fill('key-of-billing-that-only-sends');
    await page.keyboard.press('Enter');
    await page.getByRole('alert').getByText('operations:read').waitFor();
    await page.context().close();
  });
});
