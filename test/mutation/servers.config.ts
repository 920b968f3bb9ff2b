/** As vitest.config.ts, but without its projects, in which tests would run the source as it is on the disk. */
import { defineConfig } from 'vitest/config';
import { MEASURED } from '../../vitest.config.js';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['test/image/**', ...MEASURED],
    globalSetup: ['test/support/machine.ts'],
    testTimeout: 30_000,
    hookTimeout: 30_000,
  },
});
