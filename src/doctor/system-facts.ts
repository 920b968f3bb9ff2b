/** What the machine allows, as far as it tells: `/proc` and `/sys` are Linux'. */
import { readFile, statfs } from 'node:fs/promises';
import { availableParallelism, totalmem } from 'node:os';
import { dirname, resolve } from 'node:path';
import type { Config } from '../config/settings.js';
import { loadSocketLibrary } from '../system/socket-library.js';

export interface SystemFacts {
  readonly nodeVersion: string;
  /** Why uWebSockets.js cannot be loaded, in one sentence; undefined if it can. */
  readonly libraryFault: string | undefined;
  /** Of this process, as raised by Node as far as it may. */
  readonly openFiles: number | undefined;
  /** Most connections that wait to be accepted. */
  readonly backlog: number | undefined;
  /** Cores that this process may use. */
  readonly cores: number;
  readonly memoryBytes: number;
  /** Redis is on this machine, so that what follows is its business too. */
  readonly hasRedis: boolean;
  /** `always`, `madvise` or `never`. */
  readonly hugePages: string | undefined;
  readonly overcommit: number | undefined;
  /** Of the disk that the embedded Redis' folder is on; undefined without one. */
  readonly freeDiskBytes: number | undefined;
  readonly config: Config;
}

export async function readSystemFacts(config: Config, hasRedis: boolean): Promise<SystemFacts> {
  const [limits, backlog, hugePages, overcommit] = await Promise.all([
    read('/proc/self/limits'),
    read('/proc/sys/net/core/somaxconn'),
    read('/sys/kernel/mm/transparent_hugepage/enabled'),
    read('/proc/sys/vm/overcommit_memory'),
  ]);
  const openFiles = /^Max open files +(\d+|unlimited)/m.exec(limits ?? '')?.[1];
  return {
    nodeVersion: process.versions.node,
    libraryFault: await loadSocketLibrary(),
    openFiles: openFiles === 'unlimited' ? Number.POSITIVE_INFINITY : toNumber(openFiles),
    backlog: toNumber(backlog),
    cores: availableParallelism(),
    // Of a container its own; 0 and numbers beyond all memory mean none.
    memoryBytes: Math.min(process.constrainedMemory() || totalmem(), totalmem()),
    hasRedis,
    hugePages: /\[(\w+)\]/.exec(hugePages ?? '')?.[1],
    overcommit: toNumber(overcommit),
    freeDiskBytes: config.REDIS_URL === undefined ? await freeDisk(config.STREAMGATE_DATA_DIR) : undefined,
    config,
  };
}

const toNumber = (text: string | undefined) => (text === undefined ? undefined : Number(text.trim()));

async function read(path: string): Promise<string | undefined> {
  return readFile(path, 'utf8').catch(() => undefined);
}

/** Of a folder that is not there yet: where it would be made. */
async function freeDisk(folder: string): Promise<number | undefined> {
  for (let path = resolve(folder); ; path = dirname(path)) {
    const disk = await statfs(path).catch(() => undefined);
    if (disk !== undefined) return disk.bavail * disk.bsize;
    if (path === dirname(path)) return undefined;
  }
}
