/** A Redis with a replica: two processes, linked over a port of this machine. */
import { expect, vi } from 'vitest';
import { freePort } from './free-port.js';
import { startRedis, type TestRedis } from './redis-server.js';

export interface ReplicatedRedis {
  readonly master: TestRedis;
  readonly replica: TestRedis;
  /** Resolves once the replica has all that the master has. */
  inStep(): Promise<void>;
  stop(): Promise<void>;
}

export async function startReplicatedRedis(...settings: string[]): Promise<ReplicatedRedis> {
  const port = String(await freePort());
  const master = await startRedis('--port', port, '--repl-diskless-sync-delay', '0', ...settings);
  const replica = await startRedis('--replicaof', '127.0.0.1', port);
  const inStep = async () => {
    await vi.waitFor(
      async () => expect(await replica.client.info('replication')).toContain('master_link_status:up'),
      { timeout: 15_000, interval: 20 },
    );
  };
  await inStep();
  return {
    master,
    replica,
    inStep,
    stop: async () => {
      replica.process.kill('SIGCONT');
      await replica.stop();
      await master.stop();
    },
  };
}
