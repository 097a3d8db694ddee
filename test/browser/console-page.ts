import axe from 'axe-core';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { record } from '../support/operations.ts';
import type { SandboxProcess } from './sandbox-process.ts';

/** Returns the serious findings of axe-core, with their place. */
export async function seriousFindings(page: Page): Promise<string[]> {
  if ((await page.evaluate('typeof axe')) === 'undefined') await page.evaluate(axe.source);
  const { violations } = record(await page.evaluate('axe.run(document, { resultTypes: ["violations"] })'));
  if (!Array.isArray(violations)) throw new Error('axe answered nothing');
  return violations
    .map((each) => record(each))
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(({ id, nodes }) => `${String(id)}: ${JSON.stringify(nodes).slice(0, 600)}`);
}

/** A page of the console, with its requests and errors. */
export interface ConsolePage {
  page: Page;
  requested: string[];
  complaints: string[];
}

export async function newConsolePage(browser: Browser, look: BrowserContextOptions = {}): Promise<ConsolePage> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 860 }, ...look });
  const page = await context.newPage();
  const requested: string[] = [];
  const complaints: string[] = [];
  page.on('request', (request) => requested.push(request.url()));
  page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
  page.on('pageerror', (error) => complaints.push(error.message));
  return { page, requested, complaints };
}

export async function unlock(page: Page, { url, key }: Pick<SandboxProcess, 'url' | 'key'>): Promise<void> {
  await page.goto(`${url}/console`);
  await page.getByLabel('Key', { exact: true }).fill(key);
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { level: 1 }).waitFor();
  await page.getByText('Records', { exact: true }).waitFor();
}

/** Opens a section through the menu, as a person does. */
export async function openSection(page: Page, name: string): Promise<void> {
  await page.getByRole('navigation', { name: 'Console' }).getByRole('link', { name, exact: true }).click();
  await page.getByRole('heading', { level: 1, name, exact: true }).waitFor();
  await page.getByText('Reading…').first().waitFor({ state: 'hidden' });
}

/** Calls the service as another program would. */
export async function ask({ url, key }: SandboxProcess, path: string, body?: object, headers = {}) {
  const answer = await fetch(url + path, {
    ...(body && { method: 'POST', body: JSON.stringify(body) }),
    headers: { authorization: `Bearer ${key}`, ...(body && { 'content-type': 'application/json' }), ...headers },
  });
  return record(await answer.json());
}
