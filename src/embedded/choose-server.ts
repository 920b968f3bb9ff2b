/** Which of the server programs on the PATH serves a folder: the one that wrote its data, if possible. */
import { compareVersions, parseVersion } from '../redis/server-identity.js';
import { findRedisServers, RedisBinaryError } from './binaries.js';
import { readWriter } from './data-writer.js';
import { EmbeddedRedisError } from './embedded-error.js';
import { inspectProgram, releaseText, type ServerProgram, type ServerRelease } from './server-program.js';

/** The versions of the RDB format that each release writes, newest first; seen in their files. */
const FORMATS: Readonly<Record<ServerRelease['name'], readonly (readonly [since: string, rdb: number])[]>> = {
  Redis: [
    ['8.6', 13],
    ['7.4', 12],
    ['7.2', 11],
    ['0', 10],
  ],
  Valkey: [
    ['9.0', 80],
    ['0', 11],
  ],
  Redict: [['0', 12]],
};
/** Valkey reads no format of Redis beyond the last that both share. */
const LAST_SHARED_FORMAT = 11;

/** Whether `reader` can read what `writer` wrote, as far as is known before trying. */
export function canRead(reader: ServerRelease, writer: ServerRelease): boolean {
  // An older release of the same program may ignore commands that it does not know.
  if (reader.name === writer.name) return compareVersions(series(reader), series(writer)) >= 0;
  return formatOf(writer) <= (reader.name === 'Valkey' ? LAST_SHARED_FORMAT : formatOf(reader));
}

/**
 * The program to serve `folder` with: of those that can read its data the one that wrote it, else the
 * first on the PATH.
 * @throws RedisBinaryError if there is none at all
 * @throws EmbeddedRedisError if none can read the data
 */
export async function chooseServer(folder: string): Promise<ServerProgram> {
  const programs = await Promise.all((await findRedisServers()).map(inspectProgram));
  const [first] = programs;
  if (first === undefined) throw new RedisBinaryError('let streamgate install one: streamgate setup');
  const writer = await readWriter(folder);
  if (writer === undefined) return first;
  // What a program is that does not say so, only trying shows.
  const able = programs.filter(({ release }) => release === undefined || canRead(release, writer));
  const chosen = able.find(({ release }) => release?.name === writer.name) ?? able[0];
  if (chosen !== undefined) return chosen;
  const found = programs.map(({ path, release }) => `${releaseText(release!)} (${path})`).join(', ');
  throw new EmbeddedRedisError(
    `The data in ${folder} was written by ${releaseText(writer)}, which ${found} cannot read. The data is ` +
      `unharmed: put ${writer.name} ${series(writer).join('.')} or later on the PATH, or set ` +
      'STREAMGATE_DATA_DIR to another folder.',
  );
}

/** Major and minor number: patches change no format. */
const series = ({ version }: ServerRelease) => parseVersion(version).slice(0, 2);

function formatOf(release: ServerRelease): number {
  const at = series(release);
  return FORMATS[release.name].find(([since]) => compareVersions(at, parseVersion(since)) >= 0)![1];
}
