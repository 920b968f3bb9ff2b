/** `streamgate setup`: makes sure that there is a redis-server to embed. */
import type { Command } from 'commander';
import { ensureRedisServer, RedisBinaryError } from '../embedded/binaries.js';

export function addSetupCommand(program: Command): void {
  program
    .command('setup')
    .description('install a redis-server where there is none and REDIS_URL names none')
    .action(async () => {
      if (process.env.REDIS_URL) return;
      try {
        await ensureRedisServer((line) => console.error(line));
      } catch (error) {
        if (!(error instanceof RedisBinaryError)) throw error;
        console.error(`streamgate: ${error.message}`);
        process.exitCode = 1;
      }
    });
}
