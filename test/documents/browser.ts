/** Snippets for browsers: on pages of another port of this machine, in a real Chromium. */
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join } from 'node:path';
import type { Page } from 'playwright-core';
import { openPage, type TestPage } from '../support/browser.js';

const PATIENCE_MS = 20_000;
const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.mjs': 'text/javascript',
};
/** Bundlers find packages by their names. */
const IMPORTS = {
  '@msgpack/msgpack': '/node_modules/@msgpack/msgpack/dist.esm/index.mjs',
  'streamgate-client': '/dist/src/client/browser.js',
};
const BLANK = `<!doctype html>
<script type="importmap">${JSON.stringify({ imports: IMPORTS })}</script>
<canvas></canvas><video></video><img id="picture"><pre id="log"></pre>`;
const BLANK_PATH = '/blank.html';

export class SnippetBrowser {
  readonly #server: Server;
  readonly #browser: TestPage;
  /** Of the snippet that came last, and what it wrote and complained of. */
  #tab: Page | undefined;
  #printed: string[] = [];
  #complaints: string[] = [];

  private constructor(server: Server, browser: TestPage) {
    this.#server = server;
    this.#browser = browser;
  }

  /** @param folder what the pages' server serves */
  static async open(folder: string): Promise<SnippetBrowser> {
    const server = createServer(async (request, response) => {
      const { pathname } = new URL(request.url!, 'http://localhost');
      try {
        const body = pathname === BLANK_PATH ? BLANK : await readFile(join(folder, pathname));
        response.setHeader('content-type', TYPES[extname(pathname)] ?? 'application/octet-stream').end(body);
      } catch {
        response.writeHead(pathname === '/favicon.ico' ? 204 : 404).end();
      }
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new SnippetBrowser(server, await openPage());
  }

  async close(): Promise<void> {
    await this.#browser.close();
    this.#server.closeAllConnections();
    this.#server.close();
  }

  get printed(): string {
    return this.#printed.join('\n');
  }

  /** Runs a file of the folder as a module. @throws Error where it does, or does not end */
  async runModule(name: string): Promise<void> {
    const tab = await this.#begin();
    await tab.goto(this.#address(BLANK_PATH));
    await this.#run(tab, `import('/${name}').then(() => {})`);
    this.#check();
  }

  /** Shows a page of the folder, of which every picture must come. @param then code that runs on it at last */
  async show(name: string, then: string): Promise<void> {
    const tab = await this.#begin();
    // A picture that moves never ends loading.
    await tab.goto(this.#address(`/${name}`), { waitUntil: 'domcontentloaded' });
    const pictures = `[...document.images].every(({ naturalWidth }) => naturalWidth > 0)`;
    await tab.waitForFunction(pictures, undefined, { timeout: PATIENCE_MS });
    if (then !== '') await this.#run(tab, `(async () => { ${then} })()`);
    this.#check();
  }

  /** A tab for the next snippet, in the place of the last one's. */
  async #begin(): Promise<Page> {
    await this.#tab?.close();
    const printed: string[] = [];
    const complaints: string[] = [];
    const tab = await this.#browser.context.newPage();
    tab.on('console', (message) => {
      printed.push(message.text());
      if (['error', 'warning'].includes(message.type())) complaints.push(message.text());
    });
    tab.on('pageerror', (error) => complaints.push(error.message));
    this.#printed = printed;
    this.#complaints = complaints;
    this.#tab = tab;
    return tab;
  }

  #address(path: string): string {
    return `http://localhost:${(this.#server.address() as AddressInfo).port}${path}`;
  }

  async #run(tab: Page, expression: string): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`it does not end; it printed ${this.printed}`)), PATIENCE_MS);
    });
    try {
      await Promise.race([tab.evaluate(expression), late]);
    } finally {
      clearTimeout(timer);
    }
  }

  #check(): void {
    if (this.#complaints.length > 0) throw new Error(`the browser complains: ${this.#complaints.join('\n')}`);
  }
}
