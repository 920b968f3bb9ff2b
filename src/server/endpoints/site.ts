/** One built page: read whole at the start, answered from memory, and all that it may load is its own. */
import { readdir, readFile } from 'node:fs/promises';
import { extname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Header } from '../http/answer-head.js';
import { takesGzip } from '../http/gzip.js';
import type { HttpExchange } from '../http/http-exchange.js';

/** Where `npm run build` puts the pages, a folder each. */
const PAGES_FOLDER = fileURLToPath(new URL('../../../web', import.meta.url));
const INDEX = 'index.html';
/** What the build calls the packed twin of a file. */
const PACKED = '.gz';

const TYPES: Record<string, string> = {
  '.css': 'text/css; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.woff2': 'font/woff2',
};

/** The build names assets by what is in them. */
const FOR_EVER: Header = ['cache-control', 'public, max-age=31536000, immutable'];
const ASK_AGAIN: Header = ['cache-control', 'no-cache'];
/** A page's address answers others with something else, and every file may come packed. */
const VARIES: Header = ['vary', 'accept, accept-encoding'];

/** A Content-Security-Policy's directives, such as `{ 'img-src': "'self'" }`. */
export type Policy = Readonly<Record<string, string>>;

/** What holds for every page: scripts and styles in files of the gateway, and no other host at all. */
const STRICT: Policy = {
  'default-src': "'none'",
  'script-src': "'self'",
  'style-src': "'self'",
  'connect-src': "'self'",
  'img-src': "'self'",
  'base-uri': "'none'",
  'form-action': "'none'",
  'frame-ancestors': "'none'",
};

interface File {
  readonly type: string;
  readonly body: Buffer;
  /** The same, for who takes gzip; undefined where the build made none. */
  readonly packed: Buffer | undefined;
}

export class Site {
  /** Its folder, and what the addresses of its assets begin with: `/NAME/assets/…`. */
  readonly name: string;
  readonly #policy: Header;
  readonly #files: ReadonlyMap<string, File>;

  private constructor(name: string, policy: Policy, files: ReadonlyMap<string, File>) {
    this.name = name;
    const directives = Object.entries({ ...STRICT, ...policy });
    const text = directives.map(([directive, sources]) => `${directive} ${sources}`).join('; ');
    this.#policy = ['content-security-policy', text];
    this.#files = files;
  }

  /**
   * Reads a page; without a build of it there is none, and the rest of the gateway works all the same.
   * @param policy what it may load besides, or instead of, what every page may
   */
  static async load(name: string, policy: Policy = {}): Promise<Site> {
    const folder = join(PAGES_FOLDER, name);
    const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
    const paths = new Set(
      entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name)),
    );
    const files = new Map<string, File>();
    for (const path of paths) {
      const type = TYPES[extname(path)];
      if (type === undefined) continue;
      const twin = path + PACKED;
      const [body, packed] = await Promise.all([
        readFile(path),
        paths.has(twin) ? readFile(twin) : undefined,
      ]);
      files.set(relative(folder, path).replaceAll(sep, '/'), { type, body, packed });
    }
    return new Site(name, policy, files);
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
    const { type, body, packed } = this.#files.get(name)!;
    const isPacked = packed !== undefined && takesGzip(exchange);
    const headers: Header[] = [this.#policy, caching, VARIES];
    if (isPacked) headers.push(['content-encoding', 'gzip']);
    exchange.answer({ type, body: isPacked ? packed : body, headers });
  }
}
