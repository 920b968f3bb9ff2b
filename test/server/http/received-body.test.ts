import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ReceivedBody } from '../../../src/server/http/received-body.js';

const KIB = 1024;

test('any chunks become the body, in at most twice the memory that they need', () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ maxLength: 40 * KIB }), { maxLength: 20 }),
      fc.nat(1000 * KIB),
      (chunks, more) => {
        const whole = Buffer.concat(chunks);
        const body = new ReceivedBody(whole.length + more);
        let memory = 0;
        for (const chunk of chunks) {
          memory += body.growthFor(chunk.length);
          body.add(chunk);
          expect(memory).toBeLessThanOrEqual(Math.max(2 * body.bytes.length, 16 * KIB));
        }
        expect(body.bytes.equals(whole)).toBe(true);
      },
    ),
    { numRuns: 50 },
  );
});

test('a body takes no more memory than it announces, and drops what comes beyond', () => {
  const body = new ReceivedBody(5);
  expect(body.growthFor(3)).toBe(5);
  body.add(Buffer.from('abc'));
  expect(body.growthFor(3)).toBe(0);
  body.add(Buffer.from('def'));
  expect(body.bytes.toString()).toBe('abcde');
});
