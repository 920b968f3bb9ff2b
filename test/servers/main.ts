/**
 * `npm run test:servers`: runs the tests that depend on the server on each supported one, and writes what
 * came of it into docs/servers.md.
 *
 * Arguments select servers, e.g. `npm run test:servers -- valkey-9.1`; `--download` only downloads them.
 * Paths such as `test/doctor` run these tests only, and then nothing is written.
 */
import { homedir } from 'node:os';
import { join } from 'node:path';
import { provideProgram } from './debian.js';
import { recordResult } from './report.js';
import { ALL_TESTS, testServer } from './run.js';
import { SERVERS, serverId } from './servers.js';

const cache = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'streamgate', 'servers');
const given = process.argv.slice(2);
const onlyDownload = given.includes('--download');
const paths = given.filter((argument) => argument.startsWith('test/'));
const ids = given.filter((argument) => SERVERS.some((server) => serverId(server) === argument));
const unknown = given.filter((argument) => ![...paths, ...ids, '--download'].includes(argument));
if (unknown.length > 0) {
  console.error(`unknown: ${unknown.join(' ')}; servers are ${SERVERS.map(serverId).join(' ')}`);
  process.exit(1);
}
for (const server of SERVERS.filter((one) => ids.length === 0 || ids.includes(serverId(one)))) {
  const programs = await provideProgram(server, 'redis-server', join(cache, serverId(server)));
  console.log(`${server.name} is in ${programs}`);
  if (onlyDownload) continue;
  const result = await testServer(programs, paths.length > 0 ? paths : ALL_TESTS);
  if (paths.length === 0) await recordResult(server, result);
  for (const name of result.failed) console.log(`failed on ${server.name}: ${name}`);
  if (result.failed.length > 0) process.exitCode = 1;
}
