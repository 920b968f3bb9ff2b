import { expect, test } from 'vitest';
import { startPromptInterval } from '../../src/system/prompt-interval.js';

test.each([true, false])('runs about once an interval on an idle loop (crowded: %s)', async (isCrowded) => {
  let runs = 0;
  const begun = performance.now();
  await new Promise<void>((resolve) => {
    const end = startPromptInterval(
      () => {
        if (++runs < 10) return;
        end();
        resolve();
      },
      10,
      () => isCrowded,
    );
  });
  // A port that gets its own messages would run it a thousand times at the first.
  expect(performance.now() - begun).toBeGreaterThan(25);
  const after = runs;
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(runs).toBe(after);
});
