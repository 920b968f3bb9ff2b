/** Has a test fail that starts a process or a thread: test/unit-files.ts takes it for one that does not. */
import childProcess from 'node:child_process';
import { syncBuiltinESMExports } from 'node:module';

const STARTING = ['exec', 'execFile', 'execFileSync', 'execSync', 'fork', 'spawn', 'spawnSync'] as const;

for (const name of STARTING) {
  childProcess[name] = (() => {
    throw new Error(`a unit test must start no process: ${name} (see test/unit-files.ts)`);
  }) as never;
}
syncBuiltinESMExports();
