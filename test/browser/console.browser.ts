import { mkdirSync, readFileSync } from 'node:fs';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openBrowser, screenshots } from './chromium.ts';
import { ask, type ConsolePage, newConsolePage, openSection, seriousFindings, unlock } from './console-page.ts';
import { type SandboxProcess, startSandboxProcess } from './sandbox-process.ts';

const folder = `${screenshots}/console`;
const sections = ['Overview', 'Find', 'Broadcasts', 'Needs a person', 'Callers', 'Templates', 'Sending'];

/** Returns recipients without a fault, in the order of their numbers. */
const recipientsFrom = (prefix: string, n: number) =>
  Array.from({ length: n }, (_, at) => ({ to: `${prefix}${Math.floor(at / 9_000)}${1_000 + (at % 9_000)}` }));

/** Long, because the machine may be busy. */
const patient = { timeout: 20_000, interval: 50 };

/** Records a broadcast of 10,000 messages that runs for minutes, a message that was read, and one whose answer is lost. */
async function fill(sandbox: SandboxProcess) {
  const order = (to: string, id: string) => {
    const parameters = { customer_name: 'Asha', order_id: id, order_status: 'shipped' };
    const headers = { 'idempotency-key': `confirm-${id}`, prefer: 'wait=10' };
    return ask(sandbox, '/v1/messages/template', { to, template: 'order_update', parameters, reference: id }, headers);
  };
  await order('14155550100', 'A-77');
  await order('14155550201', 'A-78');
  const body = { template: 'welcome', broadcastName: 'ten-thousand', recipients: recipientsFrom('49151', 10_000) };
  return String((await ask(sandbox, '/v1/broadcasts', body, { 'idempotency-key': 'ten-thousand' })).id);
}

describe('/console, as operators and support use it', () => {
  let sandbox: SandboxProcess;
  let browser: Browser;
  let opened: ConsolePage;
  let page: Page;
  let running = '';

  beforeAll(async () => {
    mkdirSync(folder, { recursive: true });
    // So few in a call that the broadcast outlasts the tests before the one that cancels it, on a busy machine, too.
    sandbox = await startSandboxProcess({ WATI_PLAN: 'none', GROUP_MAX_BROADCAST: '2', LOG_LEVEL: 'info' });
    running = await fill(sandbox);
    browser = await openBrowser();
    opened = await newConsolePage(browser);
    page = opened.page;
  });
  afterAll(async () => {
    await browser?.close();
    await sandbox?.close();
  });

  it('opens with a key that has operations:read, and says why another key does not open it', async () => {
    const { page: locked } = await newConsolePage(browser);
    await locked.goto(`${sandbox.url}/console#/find`);
    await locked.getByLabel('Key', { exact: true }).fill('not-a-key-of-this-service');
    await locked.getByRole('button', { name: 'Open' }).click();
    await locked.getByRole('alert').getByText('This key is not known here').waitFor();
    expect(await seriousFindings(locked)).toEqual([]);
    await locked.context().close();
    await unlock(page, sandbox);
    expect(await page.getByRole('heading', { level: 1 }).textContent()).toBe('Overview');
  });

  it.each([
    ['light', { colorScheme: 'light' as const }],
    ['dark', { colorScheme: 'dark' as const }],
    ['phone', { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true }],
  ])('is readable and without serious findings of axe-core in every section: %s', async (name, look) => {
    const { page: looked, requested, complaints } = await newConsolePage(browser, look);
    await unlock(looked, sandbox);
    for (const section of [...sections, 'a broadcast', 'a message', 'a template']) {
      if (section === 'a broadcast') await follow(looked, 'Broadcasts', 'ten-thousand');
      else if (section === 'a template') await follow(looked, 'Templates', 'order_update');
      else if (section === 'a message') await answerTo(looked, 'A-77');
      else await openSection(looked, section);
      await looked.getByText('Reading…').first().waitFor({ state: 'hidden' });
      await looked.screenshot({ path: `${folder}/${section.replaceAll(' ', '-')}-${name}.png`, fullPage: true });
      expect(await looked.evaluate('document.documentElement.scrollWidth'), section).toBeLessThanOrEqual(
        looked.viewportSize()?.width ?? 0,
      );
      expect(await seriousFindings(looked), section).toEqual([]);
    }
    expect(requested.filter((url) => !url.startsWith(`${sandbox.url}/`))).toEqual([]);
    expect(complaints).toEqual([]);
    await looked.context().close();
  });

  it('answers support within three clicks: did order A-77 get its confirmation?', async () => {
    await page.getByRole('navigation', { name: 'Console' }).getByRole('link', { name: 'Find' }).click();
    await page.locator('#term:focus').waitFor();
    await page.keyboard.type('A-77');
    await page.keyboard.press('Enter');
    await page.getByText('Yes: it arrived and was read').waitFor();
    await page.getByRole('link', { name: 'A-77' }).click();
    await page.getByRole('heading', { name: 'What happened' }).waitFor();
    for (const step of ['Recorded', 'Out to WATI', 'Accepted by WATI', 'Delivered to the phone', 'Read']) {
      await page.locator('.timeline').getByText(step, { exact: true }).waitFor();
    }
  });

  it('shows a number in full only after a confirmation, and the audit log records it', async () => {
    expect(await page.getByText('14155550100').count()).toBe(0);
    await page.getByRole('button', { name: 'Show…' }).click();
    await page.getByRole('dialog').getByText('written to the audit log').waitFor();
    expect(await seriousFindings(page)).toEqual([]);
    await page.screenshot({ path: `${folder}/reveal.png` });
    expect(sandbox.log()).not.toContain('message-reveal');
    await page.getByRole('button', { name: 'Show it' }).click();
    await page.getByText('14155550100').waitFor();
    await expect.poll(() => sandbox.log(), patient).toContain('"act":"message-reveal"');
  });

  it('moves the bar of a broadcast by itself, and pauses, resumes and cancels it', async () => {
    await openSection(page, 'Broadcasts');
    const bar = page.getByRole('progressbar', { name: 'Progress of ten-thousand' });
    const done = async () => Number(await bar.getAttribute('aria-valuenow'));
    const before = await done();
    await expect.poll(done, patient).toBeGreaterThan(before);
    await follow(page, 'Broadcasts', 'ten-thousand');
    await page.getByText(/, done in about .*; up to [\d,]+ in one call now/).waitFor();
    await openSection(page, 'Broadcasts');
    for (const [verb, confirm, state] of [
      ['Pause', 'Pause', 'paused'],
      ['Resume', 'Resume', 'running'],
      ['Cancel', 'Cancel the broadcast', 'cancelled'],
    ] as const) {
      await page.getByRole('button', { name: `${verb} ten-thousand` }).press('Enter');
      await page.getByRole('dialog').getByRole('button', { name: confirm, exact: true }).click();
      await page.getByRole('dialog').waitFor({ state: 'hidden' });
      await expect.poll(async () => (await ask(sandbox, `/v1/broadcasts/${running}`)).status, patient).toBe(state);
    }
  });

  it('offers the report of a broadcast as a download, with masked numbers', async () => {
    await follow(page, 'Broadcasts', 'ten-thousand');
    await page.getByRole('button', { name: 'Report ten-thousand' }).click();
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('dialog').getByRole('button', { name: 'Download' }).click(),
    ]);
    expect(download.suggestedFilename()).toBe('ten-thousand-recipients.csv');
    const rows = readFileSync(await download.path(), 'utf8')
      .trimEnd()
      .split('\r\n');
    expect(rows).toHaveLength(10_001);
    expect(rows[0]).toMatch(/^Phone,Reference,Status,/);
    expect(rows[1]).toMatch(/^\*{3}1000,/);
    await page.getByText('The report is among your downloads.').waitFor();
  });

  it('lists unknown messages, searches for them, and sends one again only with a reason', async () => {
    await openSection(page, 'Needs a person');
    await page.getByRole('button', { name: 'Send again…' }).first().click();
    const dialog = page.getByRole('dialog');
    expect(await dialog.getByRole('button', { name: 'Send again' }).isDisabled()).toBe(true);
    await dialog.getByLabel('Reason, for the log').fill('the customer says that nothing came');
    expect(await seriousFindings(page)).toEqual([]);
    await page.keyboard.press('Escape');
    await dialog.waitFor({ state: 'hidden' });
    await page.getByRole('button', { name: 'Look now' }).first().click();
    await dialog.getByRole('button', { name: 'Look now' }).click();
    await page.getByText('Looked for. What was found is shown.').waitFor();
  });

  it('stops sending after it has shown what would stop, and says so on every page until it is released', async () => {
    await openSection(page, 'Sending');
    await page.getByLabel('All sending, of 1 caller').check();
    await page.getByRole('button', { name: 'Stop…' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByText('all sending, of every caller').waitFor();
    await dialog.getByText('New sends of 1 caller are refused').waitFor();
    await dialog.getByLabel('Reason: callers who are refused read it').fill('an incident');
    await page.screenshot({ path: `${folder}/stop.png` });
    await dialog.getByRole('button', { name: 'Stop all sending' }).click();
    await page.getByText('All sending is stopped.').waitFor();
    expect(await seriousFindings(page)).toEqual([]);
    const refused = await ask(sandbox, '/v1/messages/text', { to: '14155550100', text: 'Hi' });
    expect(refused.type).toContain('/problems/sending-stopped');
    await page.getByRole('button', { name: 'Release…' }).click();
    await dialog.getByLabel('Reason').fill('it is over');
    await dialog.getByRole('button', { name: 'Release' }).click();
    await page.getByText('Nothing is stopped').waitFor();
  });

  it('keeps the key only in memory, and forgets it on Lock, on a reload and when it is idle', async () => {
    const traces = async () =>
      JSON.stringify(
        await page.evaluate(
          '[location.href, document.cookie, { ...localStorage }, { ...sessionStorage }, document.documentElement.outerHTML, history.state, name, [...document.querySelectorAll("input")].map((each) => each.value)]',
        ),
      );
    expect(await traces()).not.toContain(sandbox.key);
    expect(await page.evaluate('indexedDB.databases()')).toEqual([]);
    expect(await page.context().storageState()).toEqual({ cookies: [], origins: [] });
    expect(opened.requested.filter((url) => url.includes(sandbox.key) || !url.startsWith(`${sandbox.url}/`))).toEqual(
      [],
    );
    expect(sandbox.log()).not.toContain(sandbox.key);
    const form = page.getByLabel('Key', { exact: true });
    await page.getByRole('button', { name: 'Lock' }).click();
    await form.waitFor();
    expect(await form.inputValue()).toBe('');
    await unlock(page, sandbox);
    await page.reload();
    await form.waitFor();
    await page.clock.install();
    await unlock(page, sandbox);
    await page.clock.fastForward(16 * 60_000);
    await page.getByText('Locked after 15 minutes without use.').waitFor();
    expect(await form.inputValue()).toBe('');
    expect(opened.complaints).toEqual([]);
  });

  it('can be used by keyboard: the first stop skips the menu, and the focus is visible', async () => {
    const { page: keys } = await newConsolePage(browser);
    await unlock(keys, sandbox);
    const focused = (what: string) => keys.evaluate(`document.activeElement.${what}`);
    expect(await focused('tagName')).toBe('H1');
    for (let stops = 0; stops < 30 && (await focused('textContent')) !== 'Skip to content'; stops += 1) {
      await keys.keyboard.press('Shift+Tab');
    }
    await keys.keyboard.press('Enter');
    expect(await focused('id')).toBe('main');
    await openSection(keys, 'Sending');
    expect(await focused('tagName')).toBe('H1');
    await keys.keyboard.press('Tab');
    expect(await keys.evaluate('getComputedStyle(document.activeElement).outlineStyle')).toBe('solid');
    await keys.context().close();
  });

  it('reconnects by itself when the service was replaced', async () => {
    const { page: waiting } = await newConsolePage(browser);
    await unlock(waiting, sandbox);
    await waiting.getByText('Live', { exact: true }).waitFor();
    await fetch(`${sandbox.url}/_sandbox/reset`, { method: 'POST' });
    await waiting.getByText('Reconnecting', { exact: true }).waitFor();
    await waiting.getByText('Live', { exact: true }).waitFor();
    await openSection(waiting, 'Broadcasts');
    await waiting.getByText('No broadcast is on record.').waitFor();
    await waiting.context().close();
  });

  async function follow(looked: Page, section: string, link: string) {
    await openSection(looked, section);
    await looked.getByRole('link', { name: link, exact: true }).click();
    await looked.getByText('Reading…').first().waitFor({ state: 'hidden' });
  }

  async function answerTo(looked: Page, term: string) {
    await openSection(looked, 'Find');
    await looked.getByRole('searchbox').fill(term);
    await looked.getByRole('button', { name: 'Find', exact: true }).click();
    await looked.getByRole('link', { name: term }).click();
    await looked.getByRole('heading', { name: 'What happened' }).waitFor();
  }
});
