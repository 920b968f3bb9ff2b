/** On what a run was made: machine, versions, commit. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpus, release, totalmem, type } from 'node:os';
import { findRedisServer } from '../src/embedded/binaries.js';
import { PEER_NAMES, peerVersion } from './peers/programs.js';

const GIB = 2 ** 30;
const LIBRARIES = ['uWebSockets.js', 'ioredis'] as const;

function output(program: string, ...args: string[]): string {
  try {
    return execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  } catch {
    return '';
  }
}

/** Of the package as it is installed; npm runs the benchmark in the project's folder. */
function packageVersion(name: string): string {
  return (JSON.parse(readFileSync(`node_modules/${name}/package.json`, 'utf8')) as { version: string })
    .version;
}

function commit(): string {
  const hash = output('git', 'rev-parse', '--short', 'HEAD');
  if (hash === '') return 'unknown';
  return output('git', 'status', '--porcelain') === '' ? hash : `${hash}+`;
}

export interface Machine {
  readonly machine: string;
  readonly kernel: string;
  /** Of Node, Redis, the libraries that matter and the peers, by name. */
  readonly versions: Readonly<Record<string, string>>;
  /** With `+` where the tree had changes that were not committed. */
  readonly commit: string;
}

export async function describeMachine(): Promise<Machine> {
  const binary = await findRedisServer();
  const redis = binary === undefined ? '' : output(binary, '--version');
  const peers: Record<string, string> = {};
  for (const name of PEER_NAMES) {
    const version = await peerVersion(name);
    if (version !== undefined) peers[name] = version;
  }
  return {
    machine: `${cpus().length} × ${cpus()[0]?.model.trim()}, ${Math.round(totalmem() / GIB)} GiB`,
    kernel: `${type()} ${release()}`,
    versions: {
      Node: process.versions.node,
      Redis: /v=(\S+)/.exec(redis)?.[1] ?? 'unknown',
      ...Object.fromEntries(LIBRARIES.map((name) => [name, packageVersion(name)])),
      ...peers,
    },
    commit: commit(),
  };
}

/** The same in one line, for people. */
export function machineLine({ machine, kernel, versions, commit }: Machine): string {
  const named = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  return [machine, kernel, ...named, `commit ${commit}`].join(', ');
}
