import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';
import type { Browser, Locator, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compileCache } from '../support/compile-cache.ts';
import { isRecord, type Json } from '../support/json.ts';
import { entries, record } from '../support/operations.ts';
import { openBrowser, screenshots } from './chromium.ts';

const files: Record<string, { name: string; mimeType: string; buffer: Buffer }> = {
  sendFile: { name: 'invoice.pdf', mimeType: 'application/pdf', buffer: Buffer.from('%PDF-1.7\n1 0 obj\n') },
  importBroadcast: csv('Phone,customer_name,order_id,order_status\r\n14155551000,Asha,A-1001,shipped\r\n'),
  sendTemplateCsv: csv('Phone,customer_name,order_id,order_status\r\n14155551000,Asha,A-1001,shipped\r\n'),
};

/** The sandbox names no native path with these methods (routes/passthrough.ts). */
const forbidden = ['callNativePut', 'callNativePatch', 'callNativeDelete'];

function csv(text: string) {
  return { name: 'orders.csv', mimeType: 'text/csv', buffer: Buffer.from(text) };
}

/** The operations come from the page and the document, so that a new one cannot be forgotten. */
describe('/docs of a fresh sandbox, operation by operation', () => {
  let sandbox: ChildProcess;
  let browser: Browser;
  let page: Page;
  let document: Json;
  let service = '';
  let key = '';
  const complaints: string[] = [];

  beforeAll(async () => {
    mkdirSync(`${screenshots}/walk`, { recursive: true });
    const child = spawn(process.execPath, ['src/bin/sandbox.ts'], {
      env: { PATH: process.env.PATH, PORT: '0', ...compileCache },
    });
    sandbox = child;
    let printed = '';
    for await (const chunk of child.stdout) {
      printed += chunk;
      if (printed.includes('Ctrl-C')) break;
    }
    service = /^ {2}Docs +(http:\/\/[\d.:]+)\//m.exec(printed)?.[1] ?? '';
    key = /^ {2}Key +(\S+)/m.exec(printed)?.[1] ?? '';
    document = record(await (await fetch(`${service}/openapi.json`)).json());
    browser = await openBrowser();
    page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
    page.on('pageerror', (error) => complaints.push(error.message));
    await page.goto(`${service}/docs`);
    await authorize();
  });
  afterAll(async () => {
    await browser?.close();
    const end = once(sandbox, 'close');
    sandbox.kill('SIGTERM');
    await end;
  });

  it('follows a broadcast that runs for three seconds and shows what came, instead of waiting for its end', async () => {
    const place = page.locator('#operations-broadcasts-streamBroadcast');
    const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json', 'idempotency-key': 'slow' };
    const recipients = Array.from({ length: 2_000 }, (_, at) => ({ to: String(4_915_112_340_000 + at) }));
    const body = JSON.stringify({ template: 'welcome', broadcastName: 'slow', recipients });
    const broadcast = record(await (await fetch(`${service}/v1/broadcasts`, { method: 'POST', headers, body })).json());
    await fetch(`${service}/v1/broadcasts/${String(broadcast.id)}/pause`, { method: 'POST', headers, body: '{}' });
    await place.locator('.opblock-summary').click();
    expect(await place.locator('.opblock-description').textContent()).toContain('curl -N');
    await place.locator('tr[data-param-name="id"] input').fill(String(broadcast.id));
    await place.locator('button.execute').click();
    const shown = place.locator('.live-responses-table .response-col_description pre').first();
    await shown.waitFor();
    expect(await shown.textContent()).toMatch(/event: progress[\s\S]*the page stops here, after 3 seconds/);
    await place.locator('.opblock-summary-control').click();
    await page.reload();
    await authorize();
  });

  it('fills in no key of idempotency: a second try with other words is no mismatch, and broadcasts get a new key each', async () => {
    for (const [block, field] of [
      ['messages-sendText', 'text'],
      ['broadcasts-createBroadcast', 'broadcastName'],
    ] as const) {
      const place = page.locator(`#operations-${block}`);
      await place.locator('.opblock-summary').click();
      expect(await place.locator('tr[data-param-name="idempotency-key"] input').inputValue()).toBe('');
      const statuses: number[] = [];
      for (const words of ['One', 'Two']) {
        const area = place.locator('textarea.body-param__text');
        const given = record(JSON.parse(await area.inputValue()));
        await area.fill(JSON.stringify({ ...given, [field]: words }));
        statuses.push((await execute(page, place, 'POST'))?.status ?? 0);
      }
      expect(statuses, block).toEqual(block === 'messages-sendText' ? [201, 201] : [202, 202]);
      await place.locator('.opblock-summary-control').click();
    }
  });

  it.each([
    ['on a phone', { viewport: { width: 390, height: 844 }, isMobile: true }],
    ['in the dark', { viewport: { width: 1280, height: 900 }, colorScheme: 'dark' as const }],
  ])('is readable %s', async (name, look) => {
    const context = await browser.newContext(look);
    const other = await context.newPage();
    other.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
    for (const path of ['/', '/docs']) {
      await other.goto(`${service}${path}`);
      if (path === '/') await other.getByText('Ready', { exact: true }).waitFor();
      else await other.locator('.opblock').first().waitFor();
      // In the page there are names that this program has no types for.
      const scroll = Number(await other.evaluate('document.documentElement.scrollWidth'));
      const back = await other.evaluate(
        "getComputedStyle(document.querySelector('.swagger-ui') ?? document.body).backgroundColor",
      );
      expect(scroll, path).toBeLessThanOrEqual(look.viewport.width);
      if ('colorScheme' in look && path === '/docs') expect(back).toBe('rgb(28, 32, 34)');
      await other.screenshot({
        path: `${screenshots}/${path === '/' ? 'home' : 'docs'}-${name.split(' ').at(-1)}.png`,
      });
    }
    await context.close();
    expect(complaints).toEqual([]);
  });

  it('answers every example as it stands, with what the document says of it', async () => {
    const ajv = new Ajv2020({ strict: false, allErrors: true });
    ajv.addSchema(document, 'document');
    const documented = entries(document.paths).flatMap(([path, item]) =>
      entries(item).map(([method, raw]) => ({ id: String(raw.operationId), path, method, raw })),
    );
    const blocks = await page.locator('.opblock').evaluateAll((all) => all.map((each) => each.id));
    // The page also shows what the service posts, and that cannot be called.
    const posted = entries(document.webhooks).flatMap(([, item]) =>
      entries(item).map(([, raw]) => String(raw.operationId)),
    );
    const shown = [...documented.map(({ id }) => id), ...posted];
    expect(blocks.map((id) => id.split('-').at(-1)).toSorted()).toEqual(shown.toSorted());

    const faults: string[] = [];
    for (const block of blocks) {
      if (posted.some((id) => block.endsWith(`-${id}`))) continue;
      const operation = documented.find(({ id }) => block.endsWith(`-${id}`));
      if (!operation) throw new Error(`the document has no ${block}`);
      const { id, path, method, raw } = operation;
      const place = page.locator(`#${block}`);
      await place.locator('.opblock-summary').click();
      const picker = place.locator('input[type="file"]');
      if (isRecord(record(record(raw.requestBody).content)['multipart/form-data'])) {
        const file = files[id];
        if (!file) throw new Error(`the walk has no file for ${id}`);
        await picker.setInputFiles(file);
      }
      const answer = await execute(page, place, method);
      if (!answer) {
        faults.push(`${id}: the page sent nothing`);
        await shoot(place, id);
        continue;
      }
      const { status, type, text } = answer;
      await shoot(place, id);
      const responses = record(raw.responses);
      const fits = forbidden.includes(id) ? status === 403 : status < 300;
      if (!fits || !(String(status) in responses)) faults.push(`${id}: ${status} ${text.slice(0, 300)}`);
      else if (type === 'application/json' && 'application/json' in record(record(responses[status]).content)) {
        const pointer = ['paths', path, method, 'responses', status, 'content', 'application/json', 'schema']
          .map((name) => encodeURIComponent(String(name).replaceAll('~', '~0').replaceAll('/', '~1')))
          .join('/');
        const validate = ajv.getSchema(`document#/${pointer}`);
        if (!validate) throw new Error(`${id}: no schema at ${pointer}`);
        if (!validate(JSON.parse(text))) faults.push(`${id}: ${ajv.errorsText(validate.errors)}`);
      } else if (status !== 204 && !('*/*' in record(record(responses[status]).content))) {
        const known = Object.keys(record(record(responses[status]).content));
        if (!known.includes(type) && !known.includes('application/octet-stream')) faults.push(`${id}: ${type}`);
      }
      await place.locator('.opblock-summary-control').click();
    }
    expect(faults).toEqual([]);
    expect(complaints).toEqual([]);
  }, 600_000);

  async function authorize() {
    await page.getByRole('button', { name: 'Authorize' }).first().click();
    await page.locator('.auth-container input').fill(key);
    await page.locator('.auth-btn-wrapper .authorize').click();
    await page.locator('.auth-btn-wrapper .btn-done').click();
  }

  /** Presses Execute, and waits for what the page then shows; undefined where the page refuses to send. */
  async function execute(on: Page, place: Locator, method: string) {
    const answered = on.waitForResponse(
      (response) =>
        response.request().resourceType() === 'fetch' && response.request().method() === method.toUpperCase(),
      { timeout: 20_000 },
    );
    await place.locator('button.execute').click();
    const response = await answered.catch(() => undefined);
    if (!response) return undefined;
    await place.locator('.live-responses-table td.response-col_status:not(.col_header)').waitFor();
    const type = (response.headers()['content-type'] ?? '').split(';', 1)[0] ?? '';
    // The page cuts off a stream that has no end, and the browser keeps nothing of it.
    const hasText = response.status() !== 204 && type !== 'text/event-stream';
    return { status: response.status(), type, text: hasText ? await response.text() : '' };
  }

  async function shoot(place: Locator, id: string) {
    const title = place.locator('.live-responses-table');
    if ((await title.count()) > 0) await title.first().scrollIntoViewIfNeeded();
    await page.screenshot({ path: `${screenshots}/walk/${id}.png` });
  }
});
