import fc from 'fast-check';
import { expect, test } from 'vitest';
import { AppendStream, readAppend } from '../../src/append/command.js';
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

test('a command is read again, wherever it lies', () => {
  fc.assert(
    fc.property(words, ids, fc.uint8Array({ maxLength: 50 }), fc.nat(100), (key, id, payload, at) => {
      const command = encodeCommand(['XADD', key, 'MAXLEN', '~', 1000, id, 'd', payload]);
      const slab = Buffer.concat([Buffer.alloc(at, '$1\r\n'), command, Buffer.from('*8\r\n')]);
      const { payloadAt, ...parts } = readAppend(slab, at);
      expect(parts).toEqual({ id, payloadBytes: payload.length });
      expect(slab.subarray(payloadAt, payloadAt + payload.length)).toEqual(Buffer.from(payload));
    }),
  );
});
