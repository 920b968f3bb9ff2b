/**
 * Which server wrote the data in a folder last. Each reads its own older data, but not each other's: and
 * one that cannot recommends `redis-check-aof --fix`, which would cut healthy data off.
 */
import { open, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { ServerName } from '../redis/server-identity.js';
import { AOF_FOLDER } from './aof-files.js';
import type { ServerRelease } from './server-program.js';

const RECORD = 'server.json';
const Record = z.object({ name: z.enum(['Redis', 'Valkey', 'Redict']), version: z.string() });
const BASE = /^appendonly\.aof\.(\d+)\.base\.rdb$/;
const HEAD_BYTES = 64;
/** `REDIS0011`, then fields of a name and a value, each behind its length: `redis-ver`, `7.2.4`. */
const HEAD = /^(?:REDIS|VALKEY)\d+\xfa.(redis|valkey)-ver.(\d+(?:\.\d+)+)/s;

/** Remembers that `release` has read the data in `folder` and writes there from now on. */
export async function recordWriter(folder: string, { name, version }: ServerRelease): Promise<void> {
  const path = join(folder, RECORD);
  const known = await readRecord(folder);
  if (known?.name === name && known.version === version) return;
  await writeFile(`${path}.new`, `${JSON.stringify({ name, version })}\n`, { mode: 0o600 });
  await rename(`${path}.new`, path);
}

/** Who wrote the data in `folder`; undefined where there is none, or nothing says so. */
export async function readWriter(folder: string): Promise<ServerRelease | undefined> {
  return (await readRecord(folder)) ?? (await readBaseFile(join(folder, AOF_FOLDER)));
}

async function readRecord(folder: string): Promise<ServerRelease | undefined> {
  try {
    return Record.parse(JSON.parse(await readFile(join(folder, RECORD), 'utf8')));
  } catch {
    return undefined;
  }
}

/** Folders from before there were records: the newest base file names the server that wrote it. */
async function readBaseFile(folder: string): Promise<ServerRelease | undefined> {
  const names = await readdir(folder).catch(() => []);
  const sequence = (name: string) => Number(BASE.exec(name)?.[1] ?? 0);
  const newest = names.filter((name) => BASE.test(name)).sort((a, b) => sequence(b) - sequence(a))[0];
  if (newest === undefined) return undefined;
  const file = await open(join(folder, newest));
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(HEAD_BYTES), 0, HEAD_BYTES, 0);
    const [, field, version] = HEAD.exec(buffer.toString('latin1', 0, bytesRead)) ?? [];
    return version === undefined ? undefined : { name: nameOf(field!, version), version };
  } finally {
    await file.close();
  }
}

/** Redict calls its own version Redis': there is no Redis 7.3. */
function nameOf(field: string, version: string): ServerName {
  if (field === 'valkey') return 'Valkey';
  return version.startsWith('7.3.') ? 'Redict' : 'Redis';
}
