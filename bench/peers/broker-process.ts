/** A broker of the benchmark's own: its settings in a folder that goes with it, listening on loopback. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { freePort } from '../../test/support/free-port.js';
import { killProcess } from '../../test/support/kill-process.js';

export interface Broker {
  readonly pid: number;
  /** Of its WebSockets. */
  readonly port: number;
  stop(): Promise<void>;
}

const PATIENCE_MS = 10_000;
const POLL_MS = 20;

/** @param settings lines of its configuration, for a WebSocket port and a folder to store in */
export async function startBroker(
  program: string,
  settings: (port: number, folder: string) => readonly string[],
): Promise<Broker> {
  const folder = await mkdtemp(join(tmpdir(), 'sg-broker-'));
  const file = join(folder, 'conf');
  const port = await freePort();
  await writeFile(file, `${settings(port, folder).join('\n')}\n`);
  const child = spawn(program, ['-c', file], { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  for (const output of [child.stdout, child.stderr]) {
    output.on('data', (chunk: Buffer) => {
      said = `${said}${chunk}`.slice(-1000);
    });
  }
  const stop = async () => {
    await killProcess(child);
    await rm(folder, { recursive: true, force: true });
  };
  const deadline = performance.now() + PATIENCE_MS;
  while (!(await isListening(port))) {
    if (performance.now() > deadline || child.exitCode !== null) {
      await stop();
      throw new Error(`${program} does not listen: ${said}`);
    }
    await delay(POLL_MS);
  }
  return { pid: child.pid!, port, stop };
}

async function isListening(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
