/** The ceiling of what stands for one Redis command: that command alone, by redis-benchmark. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { findExecutable } from '../../src/system/executables.js';

export interface CommandLoad {
  /** Of Redis' Unix socket. */
  readonly socketPath: string;
  readonly clients: number;
  /** Commands of a client that are under way at a time; 1 unless told. */
  readonly pipeline?: number;
  /** In all, or a little more: pipelines are filled. */
  readonly commands: number;
  readonly command: readonly string[];
}

/** @returns commands a second */
export async function benchmarkCommand(load: CommandLoad): Promise<number> {
  const program = await findExecutable(['redis-benchmark', 'valkey-benchmark']);
  if (program === undefined) throw new Error('there is no redis-benchmark: it comes with the Redis tools');
  const { stdout } = await promisify(execFile)(program, [
    ...['-s', load.socketPath, '-c', String(load.clients), '-P', String(load.pipeline ?? 1)],
    ...['-n', String(load.commands), '--csv', ...load.command],
  ]);
  // A line of heads, then: "command","123456.78",…
  const rate = Number(/^"[^"]*","([\d.]+)"/.exec(stdout.trim().split('\n').at(-1)!)?.[1]);
  if (!(rate > 0)) throw new Error(`redis-benchmark printed no rate: ${stdout}`);
  return rate;
}
