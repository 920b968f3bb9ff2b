/** `npm run test:unit`: the tests that start no process, in seconds and without a build. */
import { defineConfig } from 'vitest/config';
import { findUnitFiles } from './test/unit-files.js';
import { MEASURED } from './vitest.config.js';

export default defineConfig({
  test: {
    include: findUnitFiles(),
    // The fuzzer takes longer than all the others.
    exclude: [...MEASURED, 'test/fuzz/**'],
    testTimeout: 30_000,
    maxWorkers: '100%',
    // To start a process for each of so many small files takes longer than the tests.
    isolate: false,
    // Fails those that start a process all the same.
    setupFiles: ['test/support/no-processes.ts'],
    // npm run test:coverage. What other processes and threads run is not seen.
    coverage: { provider: 'v8', include: ['src/**/*.ts', 'workers/**/*.ts'], reporter: ['text', 'html'] },
  },
});
