import { mkdirSync } from 'node:fs';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { allKey, type Service, startService } from '../support/service.ts';
import { openBrowser, screenshots } from './chromium.ts';

describe('/docs, as a person uses it', () => {
  let service: Service;
  let browser: Browser;
  let page: Page;
  const requested: string[] = [];
  const complaints: string[] = [];

  beforeAll(async () => {
    mkdirSync(screenshots, { recursive: true });
    service = await startService({ settings: { DOCS: 'on' } });
    browser = await openBrowser();
    page = await browser.newPage({ viewport: { width: 1280, height: 1000 } });
    page.on('request', (request) => requested.push(request.url()));
    page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
    page.on('pageerror', (error) => complaints.push(error.message));
  });
  afterAll(async () => {
    await browser?.close();
    await service?.close();
  });

  it('shows every operation, with everything served from here', async () => {
    await page.goto(`${service.url}/docs`);
    await page.locator('.opblock').first().waitFor();
    await page.screenshot({ path: `${screenshots}/docs.png` });
    expect(await page.locator('.opblock').count()).toBeGreaterThanOrEqual(25);
    expect(requested.filter((url) => !url.startsWith(service.url) && !url.startsWith('data:'))).toEqual([]);
    expect(complaints).toEqual([]);
  });

  it('shows the whole of an operation that an address leads to, below the banner', async () => {
    const led = await browser.newPage({ viewport: { width: 1280, height: 700 } });
    await led.goto(`${service.url}/docs#/media/getMedia`);
    const topOf = async (selector: string) => (await led.locator(selector).boundingBox())?.y ?? -1;
    const bannerPx = (await led.locator('.account').boundingBox())?.height ?? 0;
    await expect.poll(() => topOf('#operations-media-getMedia .opblock-summary')).toBeLessThan(bannerPx + 40);
    expect(await topOf('#operations-media-getMedia .opblock-summary')).toBeGreaterThanOrEqual(bannerPx);
    expect(await topOf('.account')).toBe(0);
    await led.close();
  });

  it('authorizes, and sends a template with the example as it stands', async () => {
    await page.getByRole('button', { name: 'Authorize' }).first().click();
    await page.locator('.auth-container input').fill(allKey);
    await page.locator('.auth-btn-wrapper .authorize').click();
    await page.locator('.auth-btn-wrapper .btn-done').click();

    const operation = page.locator('#operations-messages-sendTemplate');
    await operation.locator('.opblock-summary').click();
    await operation.locator('button.execute').click();
    await operation.locator('.live-responses-table td.response-col_status:not(.col_header)').waitFor();
    await page.screenshot({ path: `${screenshots}/send-template.png` });

    expect(
      await operation.locator('.live-responses-table td.response-col_status:not(.col_header)').textContent(),
    ).toMatch(/^201/);
    expect(service.simulator.ledger.of('sendTemplateMessagesV2')).toHaveLength(1);
    expect(complaints).toEqual([]);
  });

  it.each([
    {
      id: 'messages-sendFile',
      fields: { to: '14155551000' },
      file: { name: 'invoice.pdf', mimeType: 'application/pdf', buffer: Buffer.from('%PDF-1.7\n1 0 obj\n') },
      upstream: 'sendSessionFile' as const,
    },
    {
      id: 'broadcasts-sendTemplateCsv',
      fields: { template: 'welcome', broadcastName: 'hello', 'idempotency-key': 'from-the-browser' },
      file: { name: 'people.csv', mimeType: 'text/csv', buffer: Buffer.from('Phone\r\n919812345678\r\n') },
      upstream: 'sendTemplateMessageCSV' as const,
    },
  ])('picks a file for $id, and sends it', async ({ id, fields, file, upstream }) => {
    const operation = page.locator(`#operations-${id}`);
    await operation.locator('.opblock-summary').click();
    for (const [name, value] of Object.entries(fields)) {
      await operation.locator(`tr[data-param-name="${name}"] input`).fill(value);
    }
    await operation.locator('input[type="file"]').setInputFiles(file);
    await operation.locator('button.execute').click();
    const status = operation.locator('.live-responses-table td.response-col_status:not(.col_header)');
    await status.waitFor();
    await page.screenshot({ path: `${screenshots}/${id}.png` });

    expect(await status.textContent()).toMatch(/^201/);
    expect(service.simulator.ledger.of(upstream)).toMatchObject([
      { complete: true, processed: true, parts: [{ filename: file.name, bytes: file.buffer.length }] },
    ]);
    expect(complaints).toEqual([]);
  });
});
