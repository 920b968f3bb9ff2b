/** Where the snippets of a page run: a folder with what its reader has, and programs for those in it. */
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import sharp from 'sharp';
import { freePort } from '../support/free-port.js';
import type { GatewayProcess } from '../support/gateway-process.js';
import { MAIN } from '../support/gateway-process.js';

/** Stand for those of the same names: see the files. */
const PROGRAMS = join(import.meta.dirname, 'programs');
/** What the README has its readers clone and build. */
const LINKS = ['dist', 'examples', 'package.json'];
const OWN_PORTS = ['8001', '8002', '8003'];
/** Packages that snippets import. */
const PACKAGES = ['@msgpack/msgpack', 'graphql-ws', 'ws'];
const SIZE = { width: 160, height: 120 };
/** Of some kilobytes, as of cameras: Chromium shows smaller ones of /mjpeg only when the next one comes. */
const NOISE = { type: 'gaussian', mean: 128, sigma: 30 } as const;
const PICTURES = { frame: 'red', a: 'green', b: 'blue' };

export class PageFolder {
  readonly path: string;
  readonly gateway: GatewayProcess;
  /** In the place of the ports of gateways that snippets start themselves. */
  readonly #freePorts: ReadonlyMap<string, number>;

  private constructor(path: string, gateway: GatewayProcess, freePorts: ReadonlyMap<string, number>) {
    this.path = path;
    this.gateway = gateway;
    this.#freePorts = freePorts;
  }

  static async make(gateway: GatewayProcess): Promise<PageFolder> {
    const path = await mkdtemp(join(tmpdir(), 'sg-page-'));
    for (const link of LINKS) await symlink(resolve(link), join(path, link));
    for (const name of PACKAGES) {
      await mkdir(join(path, 'node_modules', name, '..'), { recursive: true });
      await symlink(resolve('node_modules', name), join(path, 'node_modules', name));
    }
    await addClient(join(path, 'node_modules/streamgate-client'));
    for (const [name, background] of Object.entries(PICTURES)) {
      const picture = sharp({ create: { ...SIZE, channels: 3, background, noise: NOISE } });
      await writeFile(join(path, `${name}.jpg`), await picture.jpeg().toBuffer());
    }
    const ports = OWN_PORTS.map(async (port) => [port, await freePort()] as const);
    return new PageFolder(path, gateway, new Map(await Promise.all(ports)));
  }

  /** The environment of its programs. */
  get env(): NodeJS.ProcessEnv {
    const { PATH, REDIS_URL: _, ...inherited } = process.env;
    return {
      ...inherited,
      NO_PROXY: '*',
      PATH: `${PROGRAMS}:${PATH}`,
      REAL_PATH: PATH,
      PYTHONPATH: resolve('examples'),
      PYTHONDONTWRITEBYTECODE: '1',
      STREAMGATE_MAIN: MAIN,
      STREAMGATE_URL: this.gateway.http,
    };
  }

  /** The same text with the gateway of the test in the place of the reader's, and free ports for its own. */
  atGateway(text: string): string {
    return text
      .replaceAll(/\b(?:localhost|127\.0\.0\.1):8000\b/g, `localhost:${this.gateway.port}`)
      .replaceAll(/\b800[1-9]\b/g, (port) => String(this.#freePorts.get(port) ?? port));
  }

  /** @returns the path of the new file */
  async write(name: string, text: string): Promise<string> {
    const path = join(this.path, name);
    await writeFile(path, this.atGateway(text));
    return path;
  }

  remove(): Promise<void> {
    return rm(this.path, { recursive: true, force: true });
  }
}

/** The client by the name of its own package, which is built elsewhere. */
async function addClient(path: string): Promise<void> {
  await mkdir(path);
  await writeFile(join(path, 'package.json'), '{"type": "module", "exports": "./index.js"}');
  await writeFile(join(path, 'index.js'), `export * from '${resolve('dist/src/client/node.js')}';\n`);
}
