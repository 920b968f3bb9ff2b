/** A real Chromium, one page of it, and all that the page asked for or complained of. */
import { type BrowserContext, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { findChromium } from './machine.js';

/** Without a sandbox, which root may not have, and without what the browser asks of its maker. */
const CHROMIUM_FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];
/** A browser that starts beside other tests takes its time. */
export const BROWSER_PATIENCE = { timeout: 20_000 };

export interface TestPage {
  readonly page: Page;
  readonly context: BrowserContext;
  /** Every address that the page asked for, those of WebSockets included. */
  readonly asked: readonly string[];
  /** The hosts among them. */
  hosts(): Set<string>;
  /** What the browser complained of, such as a breach of the Content-Security-Policy. */
  readonly complaints: readonly string[];
  close(): Promise<void>;
}

export async function openPage(options: BrowserContextOptions = {}): Promise<TestPage> {
  const browser = await chromium.launch({ executablePath: (await findChromium())!, args: CHROMIUM_FLAGS });
  const context = await browser.newContext(options);
  context.setDefaultTimeout(BROWSER_PATIENCE.timeout);
  const page = await context.newPage();
  const asked: string[] = [];
  const complaints: string[] = [];
  page.on('request', (request) => asked.push(request.url()));
  page.on('websocket', (socket) => asked.push(socket.url()));
  page.on('console', (message) => {
    if (!['error', 'warning'].includes(message.type())) return;
    complaints.push(message.text().replace(/data:[^\s']+/g, 'data:…'));
  });
  page.on('pageerror', (error) => complaints.push(error.message));
  return {
    page,
    context,
    asked,
    hosts: () => {
      const addresses = asked.map((address) => new URL(address));
      const isFetched = ({ protocol }: URL) => protocol !== 'data:' && protocol !== 'blob:';
      return new Set(addresses.filter(isFetched).map(({ host }) => host));
    },
    complaints,
    close: () => browser.close(),
  };
}
