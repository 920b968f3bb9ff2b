import fc from 'fast-check';
import { expect, test } from 'vitest';
import { closeReason } from '../../src/protocol/close-reason.js';

const MAX_BYTES = 123;

test.each(['', 'a short reason', 'x'.repeat(MAX_BYTES), 'é'.repeat(61), '漢'.repeat(41)])(
  'leaves %j as it is',
  (reason) => {
    expect(closeReason(reason)).toBe(reason);
  },
);

test('cuts what is one byte too long, and says so', () => {
  expect(closeReason('x'.repeat(MAX_BYTES + 1))).toBe(`${'x'.repeat(MAX_BYTES - 3)}…`);
});

test.each([
  ['é'.repeat(62), `${'é'.repeat(60)}…`],
  ['漢'.repeat(42), `${'漢'.repeat(40)}…`],
  ['😀'.repeat(31), `${'😀'.repeat(30)}…`],
  [`x${'😀'.repeat(31)}`, `x${'😀'.repeat(29)}…`],
])('never cuts within a character: %s', (reason, expected) => {
  expect(closeReason(reason)).toBe(expected);
});

test('fits a close frame and begins as the text does', () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom('a', 'é', '漢', '😀'), maxLength: 160 }), (text) => {
      const reason = closeReason(text);
      expect(Buffer.byteLength(reason)).toBeLessThanOrEqual(MAX_BYTES);
      expect(reason.isWellFormed()).toBe(true);
      if (reason !== text) {
        expect(text.startsWith(reason.slice(0, -1))).toBe(true);
        // Not cut short for nothing: another character would not have fitted.
        expect(Buffer.byteLength(reason)).toBeGreaterThan(MAX_BYTES - 4);
      }
    }),
  );
});
