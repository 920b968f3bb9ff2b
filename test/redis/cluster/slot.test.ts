import { describe, expect, test } from 'vitest';
import { slotOf } from '../../../src/redis/cluster/slot.js';

describe('the slot of a key', () => {
  // By CLUSTER KEYSLOT of Redis 7.0.15.
  test.each([
    ['', 0],
    ['foo', 12_182],
    ['123456789', 12_739],
    ['default:camera', 6139],
    ['{user1000}.following', 3443],
    ['{user1000}.followers', 3443],
    ['foo{}{bar}', 8363],
    ['foo{{bar}}zap', 4015],
    ['foo{bar}{zap}', 5061],
    ['{}a}', 4370],
    ['a{b', 13_340],
    ['ключ', 10_303],
  ])('%s', (key, slot) => {
    expect(slotOf(key)).toBe(slot);
  });
});
