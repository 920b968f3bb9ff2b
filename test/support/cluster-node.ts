/** One node of a test's cluster: a server process with two ports and a folder of its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { type NodeView, parseClusterNodes } from './cluster-view.js';
import { killProcess } from './kill-process.js';
import { reachable } from './redis-server.js';

export interface ClusterNode {
  readonly port: number;
  /** Nodes speak with one another by this one. */
  readonly busPort: number;
  readonly id: string;
  /** `127.0.0.1:port`. */
  readonly address: string;
  /** Has `nodes.conf`: without it, a restarted node knows no cluster and has another id. */
  readonly folder: string;
  readonly process: ChildProcess;
  /** For tests. It follows no redirects. Ended with the cluster. */
  readonly client: Redis;
  /** For questions about the cluster: those that are not answered within a second fail, so that all can be asked again. */
  readonly inquirer: Redis;
  /** Whether its process runs and is not paused by SIGSTOP. */
  isLiving(): boolean;
  /** All nodes as this one knows them. */
  view(): Promise<NodeView[]>;
  /** Ends the server, if that runs, and starts it with the same ports and folder. It has no data then. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

/** Starts a server that knows no other node yet. */
export async function startClusterNode(
  server: string,
  port: number,
  busPort: number,
  settings: readonly string[],
): Promise<ClusterNode> {
  const folder = await mkdtemp(join(tmpdir(), 'sg-cluster-'));
  const ports = ['--port', `${port}`, '--cluster-port', `${busPort}`, '--bind', '127.0.0.1'];
  const log = join(folder, 'log');
  const args = [...ports, '--dir', folder, '--logfile', log, '--cluster-enabled', 'yes', ...settings];
  const launch = () => spawn(server, args, { stdio: 'ignore' });
  let child = launch();
  const address = { host: '127.0.0.1', port };
  const options = {
    ...address,
    retryStrategy: () => 50,
    maxRetriesPerRequest: null,
    autoResendUnfulfilledCommands: false,
    maxLoadingRetryTime: 50,
  };
  const client = new Redis(options);
  const inquirer = new Redis({ ...options, commandTimeout: 1000 });
  for (const one of [client, inquirer]) one.on('error', () => {});
  const stop = async () => {
    for (const one of [client, inquirer]) one.disconnect();
    await killProcess(child);
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await reachable(address, child);
    const id = (await client.cluster('MYID')) as string;
    return {
      port,
      busPort,
      id,
      address: `127.0.0.1:${port}`,
      folder,
      get process() {
        return child;
      },
      client,
      inquirer,
      isLiving: () => child.exitCode === null && child.signalCode === null && !isPaused(child.pid!),
      view: async () => parseClusterNodes((await inquirer.cluster('NODES')) as string),
      restart: async () => {
        await killProcess(child);
        child = launch();
        await reachable(address, child);
      },
      stop,
    };
  } catch (cause) {
    const lines = await readFile(log, 'utf8').catch(() => 'no log');
    await stop();
    throw new Error(`${server} ${args.join(' ')}: ${lines.slice(-1000)}`, { cause });
  }
}

function isPaused(pid: number): boolean {
  try {
    return /^\d+ \(.*\) T/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}
