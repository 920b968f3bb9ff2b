import { describe, expect, test } from 'vitest';
import { decodeImage, makeNoiseImage, parseShape } from '../../src/cli/images.js';

describe('parseShape', () => {
  test.each([
    ['[700,700,3]', { height: 700, width: 700, channels: 3 }],
    ['[400, 200]', { height: 400, width: 200, channels: 1 }],
    ['[1,2,1]', { height: 1, width: 2, channels: 1 }],
  ])('%s', (text, shape) => {
    expect(parseShape(text)).toEqual(shape);
  });

  test.each([
    '',
    '700',
    '[700]',
    '[700,700,3,1]',
    '[700,700,4]',
    '[0,700]',
    '[1.5,2]',
    '["1",2]',
    '[70000,1]',
    '[65535,65535]',
  ])('refuses %s', (text) => {
    expect(() => parseShape(text)).toThrow();
  });
});

test.each(['[70,50,3]', '[70,50]', '[1,1]', '[1,300,3]'])(
  'a JPEG of noise in the shape %s decodes to that shape',
  async (text) => {
    const shape = parseShape(text);
    const encoded = await makeNoiseImage(shape);
    expect(encoded.subarray(0, 3).toString('hex')).toBe('ffd8ff');
    expect(await decodeImage(encoded)).toEqual(shape);
  },
);

test('no two images are the same', async () => {
  const shape = parseShape('[16,16]');
  expect((await makeNoiseImage(shape)).equals(await makeNoiseImage(shape))).toBe(false);
});

test('refuses what is no image, and an image that ends too early', async () => {
  const encoded = await makeNoiseImage(parseShape('[64,64,3]'));
  await expect(decodeImage(Buffer.from('no image'))).rejects.toThrow();
  await expect(decodeImage(encoded.subarray(0, encoded.length / 2))).rejects.toThrow();
});
