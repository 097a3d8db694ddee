import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';
import type { Browser, Locator, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compileCache } from '../compile-cache.ts';
import { isRecord, type Json } from '../json.ts';
import { entries, record } from '../operations.ts';
import { openBrowser, screenshots } from './chromium.ts';

const files: Record<string, { name: string; mimeType: string; buffer: Buffer }> = {
  sendFile: { name: 'invoice.pdf', mimeType: 'application/pdf', buffer: Buffer.from('%PDF-1.7\n1 0 obj\n') },
  importBroadcast: csv('Phone,customer_name,order_id,order_status\r\n14155551000,Asha,A-1001,shipped\r\n'),
  sendTemplateCsv: csv('Phone,customer_name,order_id,order_status\r\n14155551000,Asha,A-1001,shipped\r\n'),
};

/** The sandbox names no native path with these methods (routes/native.ts). */
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
    const service = /^ {2}Docs +(http:\/\/[\d.:]+)\//m.exec(printed)?.[1] ?? '';
    const key = /^ {2}Key +(\S+)/m.exec(printed)?.[1] ?? '';
    document = record(await (await fetch(`${service}/openapi.json`)).json());
    browser = await openBrowser();
    page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
    page.on('pageerror', (error) => complaints.push(error.message));
    await page.goto(`${service}/docs`);
    await page.getByRole('button', { name: 'Authorize' }).first().click();
    await page.locator('.auth-container input').fill(key);
    await page.locator('.auth-btn-wrapper .authorize').click();
    await page.locator('.auth-btn-wrapper .btn-done').click();
  });
  afterAll(async () => {
    await browser?.close();
    const end = once(sandbox, 'close');
    sandbox.kill('SIGTERM');
    await end;
  });

  it('answers every example as it stands, with what the document says of it', async () => {
    const ajv = new Ajv2020({ strict: false, allErrors: true });
    ajv.addSchema(document, 'document');
    const documented = entries(document.paths).flatMap(([path, item]) =>
      entries(item).map(([method, raw]) => ({ id: String(raw.operationId), path, method, raw })),
    );
    const blocks = await page.locator('.opblock').evaluateAll((all) => all.map((each) => each.id));
    expect(blocks.map((id) => id.split('-').at(-1)).toSorted()).toEqual(documented.map(({ id }) => id).toSorted());

    const faults: string[] = [];
    for (const block of blocks) {
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
    return { status: response.status(), type, text: response.status() === 204 ? '' : await response.text() };
  }

  async function shoot(place: Locator, id: string) {
    const title = place.locator('.live-responses-table');
    if ((await title.count()) > 0) await title.first().scrollIntoViewIfNeeded();
    await page.screenshot({ path: `${screenshots}/walk/${id}.png` });
  }
});
