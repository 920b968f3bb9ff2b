/** The ceiling of pushing small messages: redis-benchmark's own pipelined XADD on the same server. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

/** @returns XADDs a second */
export async function benchmarkXadd(options: {
  readonly socketPath: string;
  readonly messages: number;
  readonly bytes: number;
  readonly pipeline: number;
  readonly clients: number;
}): Promise<number> {
  const { stdout } = await promisify(execFile)('redis-benchmark', [
    ...['-s', options.socketPath, '-n', String(options.messages), '-P', String(options.pipeline)],
    ...['-c', String(options.clients), '--csv'],
    ...['XADD', 'bench:ceiling', 'MAXLEN', '~', '1000', '*', 'd', 'x'.repeat(options.bytes)],
  ]);
  // "test","rps",… and then "XADD …","123456.78",…
  const rate = Number(
    /"([\d.]+)"/.exec(
      stdout
        .trim()
        .split('\n')
        .at(-1)!
        .replace(/^"[^"]*",/, ''),
    )?.[1],
  );
  if (!(rate > 0)) throw new Error(`redis-benchmark printed no rate: ${stdout}`);
  return rate;
}
