import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { deviceMetaKey, streamKey, streamMetaKey } from '../../src/redis/keys.js';

describe('streamKey', () => {
  test.each([
    ['default', '', 's', true, 'default:s'],
    ['cam', 'p:', 's', true, 'cam:p:s'],
    ['cam', 'p', ':event', true, ':event'],
    ['cam', '', 'a:b', true, 'cam:a:b'],
    ['default', '', 's', false, 's'],
    ['cam', 'p:', 's', false, 'p:s'],
    ['cam', 'p', ':event', false, ':event'],
  ])('of %s, %j, %s with prefixing %s is %s', (device, prefix, sid, prefixing, key) => {
    expect(streamKey(device, prefix, sid, prefixing)).toBe(key);
  });

  test('no prefix makes a system stream of another', () => {
    expect(() => streamKey('cam', ':', 's', false)).toThrow(
      expect.objectContaining({ code: 'reserved_name' }),
    );
    expect(() => streamKey('cam', ':event:', 's', false)).toThrow(
      expect.objectContaining({ code: 'reserved_name' }),
    );
    expect(streamKey('cam', ':', 's', true)).toBe('cam::s');
  });

  test("a device's keys are its own: two devices never share one", () => {
    const device = fc.string({ minLength: 1 }).filter((name) => !name.includes(':'));
    const sid = fc.string({ minLength: 1 }).filter((name) => !name.startsWith(':'));
    fc.assert(
      fc.property(
        device,
        device,
        fc.string(),
        sid,
        fc.string(),
        sid,
        (a, b, prefixA, sidA, prefixB, sidB) => {
          fc.pre(a !== b);
          expect(streamKey(a, prefixA, sidA, true)).not.toBe(streamKey(b, prefixB, sidB, true));
        },
      ),
    );
  });
});

test('metadata keys', () => {
  expect(streamMetaKey('cam:s')).toBe(':stream:meta:cam:s');
  expect(deviceMetaKey('cam')).toBe(':devices:meta:cam');
});
