/** Waits for what cannot be waited for otherwise, as vi.waitFor does, for code that also runs outside of tests. */
import { setTimeout as delay } from 'node:timers/promises';

const TIMEOUT_MS = 30_000;
const INTERVAL_MS = 30;

/**
 * Resolves with what the check gives once it does not throw.
 * @throws Error what the check threw last, after 30 s
 */
export async function until<Result>(check: () => Promise<Result>): Promise<Result> {
  const end = performance.now() + TIMEOUT_MS;
  for (;;) {
    try {
      return await check();
    } catch (error) {
      if (performance.now() > end) throw error;
    }
    await delay(INTERVAL_MS);
  }
}
