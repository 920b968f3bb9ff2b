/** The built pages: read whole at the start, answered from memory, and all that they may load is theirs. */
import { readdir, readFile } from 'node:fs/promises';
import { extname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Header, HttpExchange } from './http-exchange.js';

const GRAPHIQL_FOLDER = fileURLToPath(new URL('../../web/graphiql', import.meta.url));
const INDEX = 'index.html';

const TYPES: Record<string, string> = {
  '.css': 'text/css; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.woff2': 'font/woff2',
};

/** Everything comes from the gateway; the fonts are data within its style sheet. */
const POLICY: Header = [
  'content-security-policy',
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; font-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
];
/** The build names assets by what is in them. */
const FOR_EVER: Header = ['cache-control', 'public, max-age=31536000, immutable'];
const ASK_AGAIN: Header = ['cache-control', 'no-cache'];

interface Page {
  readonly type: string;
  readonly body: Buffer;
}

export class Site {
  readonly #files: ReadonlyMap<string, Page>;

  private constructor(files: ReadonlyMap<string, Page>) {
    this.#files = files;
  }

  /** Reads GraphiQL; without a build of it there is none, and the rest of the gateway works all the same. */
  static async loadGraphiql(): Promise<Site> {
    const files = new Map<string, Page>();
    const entries = await readdir(GRAPHIQL_FOLDER, { recursive: true, withFileTypes: true }).catch(() => []);
    for (const entry of entries) {
      const type = TYPES[extname(entry.name)];
      if (!entry.isFile() || type === undefined) continue;
      const path = join(entry.parentPath, entry.name);
      files.set(relative(GRAPHIQL_FOLDER, path), { type, body: await readFile(path) });
    }
    return new Site(files);
  }

  get hasIndex(): boolean {
    return this.#files.has(INDEX);
  }

  answerIndex(exchange: HttpExchange): void {
    this.#answer(exchange, INDEX, ASK_AGAIN);
  }

  /** @returns whether there is such a file */
  answerFile(exchange: HttpExchange, name: string): boolean {
    if (!this.#files.has(name)) return false;
    this.#answer(exchange, name, FOR_EVER);
    return true;
  }

  #answer(exchange: HttpExchange, name: string, caching: Header): void {
    const { type, body } = this.#files.get(name)!;
    exchange.answer({ type, body, headers: [POLICY, caching] });
  }
}
