import { type Browser, chromium } from 'playwright-core';

/** Chromium asks the internet for much at its start; none of it concerns the page. */
const quiet = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** Where the pictures of the pages go, to be looked at. */
export const screenshots = 'coverage/screenshots';

/** The browser that CHROMIUM names. */
export function openBrowser(): Promise<Browser> {
  const executablePath = process.env.CHROMIUM;
  if (!executablePath) throw new Error('CHROMIUM names no browser: run .ci/browser');
  return chromium.launch({ executablePath, args: quiet });
}
