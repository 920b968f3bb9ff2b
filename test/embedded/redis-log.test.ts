import { expect, test } from 'vitest';
import { readRedisLog } from '../../src/embedded/redis-log.js';

test.for([
  ['4475:M 22 Nov 2026 08:08:26.790 * monotonic clock: POSIX', 'debug', 'monotonic clock: POSIX'],
  ['4475:M 22 Nov 2026 08:08:26.791 # WARNING: # of files', 'warn', 'WARNING: # of files'],
  [
    '4475:C 22 Nov 2026 08:08:26.790 # Redis version=7.0.15, bits=64',
    'debug',
    'Redis version=7.0.15, bits=64',
  ],
  [
    '1:M 22 Nov 2026 08:08:27.790 # Redis is now ready to exit, bye bye...',
    'debug',
    'Redis is now ready to exit, bye bye...',
  ],
  ['5817:signal-handler (1795335383) Received SIGTERM', 'debug', 'Received SIGTERM'],
  ['=== REDIS BUG REPORT START', 'warn', '=== REDIS BUG REPORT START'],
  ['', 'warn', ''],
  // What follows would cut healthy data off: Redis 7, Redis 8.6, and a truncated file.
  [
    '7:M 22 Nov 2026 08:08:26.790 # Bad file format reading the append only file a.base.rdb: make a backup of your AOF file, then use ./redis-check-aof --fix <filename.manifest>',
    'warn',
    'Bad file format reading the append only file a.base.rdb',
  ],
  [
    '7:M 22 Nov 2026 08:08:26.790 # Bad file format reading the append only file a.base.rdb at offset 0.          make a backup of your AOF file, then use ./valkey-check-aof --fix <filename.manifest>.          Alternatively you can set',
    'warn',
    'Bad file format reading the append only file a.base.rdb at offset 0',
  ],
  [
    '7:M 22 Nov 2026 08:08:26.790 # Unexpected end of file reading the append only file a. You can: 1) Make a backup of your AOF file, then use ./redis-check-aof --fix <filename.manifest>. 2) Alternatively',
    'warn',
    'Unexpected end of file reading the append only file a',
  ],
] as const)('%s', ([line, level, text]) => {
  expect(readRedisLog(line)).toEqual({ level, text });
});
