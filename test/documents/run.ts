/** Runs the snippets of one page, in their order, as its reader would. */
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'vitest';
import { PYTHON } from '../support/machine.js';
import { SnippetBrowser } from './browser.js';
import type { Snippet } from './markdown.js';
import type { PageFolder } from './page-folder.js';
import { Terminal } from './terminal.js';

const PATIENCE_MS = 20_000;
/** What only browsers have; Node.js 20 has no WebSocket. */
const FOR_BROWSERS = /\b(?:document|window|EventSource|new WebSocket|new Worker)\b/;
const RUN_PYTHON = `${import.meta.dirname}/run_snippet.py`;
const NODE_FLAGS = ['--disable-warning=ExperimentalWarning'];

export class PageRun {
  readonly #folder: PageFolder;
  readonly #running: Terminal[] = [];
  #browser: SnippetBrowser | undefined;
  /** Addresses of the newest entries of streams that something is pushed to while the page is read. */
  readonly #pushed: string[] = [];

  constructor(folder: PageFolder) {
    this.#folder = folder;
  }

  async run(snippet: Snippet): Promise<void> {
    const { file, language, code, first, last } = snippet;
    if (file !== undefined) {
      await this.#folder.write(file, code);
      if (language !== 'html') return;
    }
    if (language === 'html') return this.#show(snippet);
    const whole = [first, code, last].filter((part) => part !== '').join('\n');
    if (language === 'js' && FOR_BROWSERS.test(code)) return this.#runInBrowser(snippet, whole);
    await this.#runInTerminal(snippet, whole);
  }

  /** Ends what runs on. @throws Error where some of that had failed, or pushed nothing */
  async close(): Promise<void> {
    try {
      for (const address of this.#pushed.splice(0)) await expectEntry(address);
    } finally {
      await this.#endAll();
    }
  }

  async #endAll(): Promise<void> {
    await this.#browser?.close();
    this.#browser = undefined;
    const ends = await Promise.allSettled(this.#running.splice(0).map((terminal) => terminal.interrupt()));
    for (const end of ends) if (end.status === 'rejected') throw end.reason;
  }

  async #runInTerminal({ line, language, runsOn, prints }: Snippet, code: string): Promise<void> {
    const terminal = await this.#start(`line-${line}`, language, code);
    if (runsOn) {
      this.#running.push(terminal);
      if (language === 'sh')
        this.#pushed.push(...pushedBy(code).map((path) => this.#folder.gateway.http + path));
      await terminal.begin();
    } else await terminal.end();
    await expectOutput(() => terminal.out, prints, runsOn);
  }

  async #start(name: string, language: Snippet['language'], code: string): Promise<Terminal> {
    const { path, env } = this.#folder;
    if (language === 'sh') {
      const options = ['-e', '-o', 'pipefail', '-c', this.#folder.atGateway(code)];
      return new Terminal('bash', options, path, env);
    }
    if (language === 'python') {
      return new Terminal(PYTHON, [RUN_PYTHON, await this.#folder.write(`${name}.py`, code)], path, env);
    }
    const script = await this.#folder.write(`${name}.mjs`, code);
    return new Terminal(process.execPath, [...NODE_FLAGS, script], path, env);
  }

  async #runInBrowser({ line, prints }: Snippet, code: string): Promise<void> {
    const name = `line-${line}.js`;
    await this.#folder.write(name, code);
    const browser = await this.#open();
    await browser.runModule(name);
    await expectOutput(() => browser.printed, prints, true);
  }

  async #show({ line, code, file, first, last, prints }: Snippet): Promise<void> {
    const name = file ?? `line-${line}.html`;
    await this.#folder.write(name, `${first}${code}`);
    const browser = await this.#open();
    await browser.show(name, this.#folder.atGateway(last));
    await expectOutput(() => browser.printed, prints, true);
  }

  async #open(): Promise<SnippetBrowser> {
    this.#browser ??= await SnippetBrowser.open(this.#folder.path);
    return this.#browser;
  }
}

/** Paths of the newest entries of the streams that `streamgate push` writes to. */
function pushedBy(shell: string): string[] {
  return [...shell.matchAll(/\bstreamgate push (\S+)(?:.*--device (\S+))?/g)].map(
    ([, sid, device = 'default']) => `/data/${sid}/latest?device_id=${device}`,
  );
}

async function expectEntry(address: string): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS;
  while (!(await fetch(address)).ok && performance.now() < deadline) await delay(100);
  expect((await fetch(address)).status, address).toBe(200);
}

/**
 * Holds what was printed against what the page says. Numbers may be others: ids, times, sizes.
 * @param goesOn more may come than the page shows
 */
async function expectOutput(out: () => string, prints: string | undefined, goesOn: boolean): Promise<void> {
  if (prints === undefined) return;
  const shape = (text: string) => text.replaceAll(/\d+(?:\.\d+)?/g, '0').replaceAll(/\s+/g, '');
  const wanted = shape(prints.replace(/…\s*$/, ''));
  const isOpen = goesOn || prints.trimEnd().endsWith('…');
  const deadline = performance.now() + PATIENCE_MS;
  while (goesOn && !shape(out()).startsWith(wanted) && performance.now() < deadline) await delay(50);
  if (isOpen) expect(shape(out()).slice(0, wanted.length)).toBe(wanted);
  else expect(shape(out())).toBe(wanted);
}
