import { expect, test } from 'vitest';
import { readRedisLog } from '../../../src/redis/embedded/redis-log.js';

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
] as const)('%s', ([line, level, text]) => {
  expect(readRedisLog(line)).toEqual({ level, text });
});
