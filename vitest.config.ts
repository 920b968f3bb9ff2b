import { defineConfig } from 'vitest/config';

/** Their bounds are times or bytes that hold only on a machine that is not busy with other tests. */
export const MEASURED = [
  'test/append/sharded-faults.test.ts',
  'test/attacks/{bombs,ledger,listings,memory,raw-websocket,unfinished-messages}.test.ts',
  'test/faults/{leaks,little-memory,redis-killed,silent-redis,slow-among-fast,threads}.test.ts',
  'test/follow/large-frames.test.ts',
  'test/graphql/cost.test.ts',
  'test/growth/**/*.test.ts',
];
/** Needs Docker: npm run test:image. */
const IN_THE_IMAGE = 'test/image/**';

export default defineConfig({
  test: {
    globalSetup: ['test/support/machine.ts'],
    pool: 'forks',
    // Gateways and Redis servers are processes of their own: a file waits far more than it computes.
    maxWorkers: '100%',
    testTimeout: 30_000,
    hookTimeout: 30_000,
    projects: [
      {
        extends: true,
        test: {
          name: 'together',
          include: ['test/**/*.test.ts'],
          exclude: [IN_THE_IMAGE, ...MEASURED],
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: {
          name: 'one by one',
          include: MEASURED,
          maxWorkers: 1,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
