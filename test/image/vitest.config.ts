/** `npm run test:image`: what is run on the machine of the Docker engine, and not with `npm test`. */
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: { include: ['test/image/**/*.test.ts'], testTimeout: 300_000, hookTimeout: 300_000 },
});
