import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // Needs Docker: npm run test:image.
    exclude: ['test/image/**'],
    globalSetup: ['test/support/machine.ts'],
    // Gateways and Redis servers are processes of their own: a file waits far more than it computes.
    pool: 'forks',
    maxWorkers: '150%',
    testTimeout: 30_000,
    hookTimeout: 30_000,
  },
});
