/** Chromium for the tests of the pages, and what a page does in it. */
import { type Browser, chromium, type Page } from 'playwright-core';
import { findChromium } from './machine.js';

/** Without a sandbox, which root may not have, and without what the browser asks of its maker. */
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

export const launchBrowser = async (): Promise<Browser> =>
  chromium.launch({ executablePath: (await findChromium())!, args: FLAGS });

export interface WatchedPage {
  /** Every address that the page asked for, those of WebSockets included. */
  readonly asked: readonly string[];
  /** What the browser complained of, such as a breach of the Content-Security-Policy. */
  readonly complaints: readonly string[];
  /** Whom it asked, each once. */
  hosts(): string[];
}

export function watch(page: Page): WatchedPage {
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
    asked,
    complaints,
    hosts: () => [
      ...new Set(
        asked
          .map((address) => new URL(address))
          .filter(({ protocol }) => protocol !== 'data:')
          .map(({ host }) => host),
      ),
    ],
  };
}
