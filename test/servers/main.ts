/**
 * `npm run test:servers`: runs the tests that depend on the server on each supported one, and writes what
 * came of it into docs/servers.md.
 *
 * Arguments select servers, e.g. `npm run test:servers -- valkey-9.1`; `--download` only downloads them.
 */
import { homedir } from 'node:os';
import { join } from 'node:path';
import { provideServer } from './debian.js';
import { recordResult } from './report.js';
import { testServer } from './run.js';
import { SERVERS, serverId } from './servers.js';

const cache = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'streamgate', 'servers');
const [options, ids] = [process.argv.slice(2).filter(isOption), process.argv.slice(2).filter(isId)];
const unknown = [
  ...options.filter((option) => option !== '--download'),
  ...ids.filter((id) => !SERVERS.some((server) => serverId(server) === id)),
];
if (unknown.length > 0) {
  console.error(`unknown: ${unknown.join(' ')}; servers are ${SERVERS.map(serverId).join(' ')}`);
  process.exit(1);
}
for (const server of SERVERS.filter((one) => ids.length === 0 || ids.includes(serverId(one)))) {
  const programs = await provideServer(server, cache);
  console.log(`${server.name} is in ${programs}`);
  if (options.includes('--download')) continue;
  const result = await testServer(programs);
  await recordResult(server, result);
  for (const name of result.failed) console.log(`failed on ${server.name}: ${name}`);
  if (result.failed.length > 0) process.exitCode = 1;
}

function isOption(argument: string): boolean {
  return argument.startsWith('-');
}

function isId(argument: string): boolean {
  return !isOption(argument);
}
