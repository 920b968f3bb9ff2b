import fc from 'fast-check';
import { expect, test } from 'vitest';
import { AppendStream } from '../../src/redis/append-command.js';
import { encodeCommand } from '../../src/redis/resp.js';

const words = fc.string({
  unit: fc.constantFrom('a', ':', '\r\n', '\0', '$', '*', 'é', '漢', '😀'),
  maxLength: 80,
});
const ids = fc.oneof(
  fc.constant('*'),
  fc.nat().map((ms) => `${ms}-*`),
  fc.tuple(fc.nat(), fc.nat()).map((parts) => parts.join('-')),
);

test('the head of any XADD is that of the command as a whole', () => {
  fc.assert(
    fc.property(words, ids, fc.integer({ min: 1, max: 1e9 }), (key, id, maxLength) => {
      const stream = new AppendStream(key, maxLength);
      const whole = encodeCommand(['XADD', key, 'MAXLEN', '~', maxLength, id, 'd', 'payload']);
      expect(Buffer.concat([stream.head(id), Buffer.from('7\r\npayload\r\n')])).toEqual(whole);
      expect(stream.key).toBe(key);
    }),
  );
});

test("with Redis' own clock it is made once", () => {
  const stream = new AppendStream('k', 1000);
  expect(stream.head('*')).toBe(stream.head('*'));
  expect(stream.head('5-*')).not.toBe(stream.head('5-*'));
});
