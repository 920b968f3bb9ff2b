import { expect, test } from 'vitest';
import { entryPath, makeWriter } from '../../src/cli/entry-writer.js';

const entry = (stream: string, data: string | Uint8Array<ArrayBuffer>) => ({
  stream,
  id: '1700000000000-1',
  time: 1_700_000_000_000,
  data: typeof data === 'string' ? new TextEncoder().encode(data) : data,
});

test.each([
  ['out', 'cam', 'out/cam-1700000000000-1.txt'],
  ['out', '../cam', 'out/..%2Fcam-1700000000000-1.txt'],
  ['out/{stream}/{id}.jpg', '..', 'out/%2E%2E/1700000000000-1.jpg'],
  ['{time}.{ext}', 'cam', '2023-11-14T221320.000Z.txt'],
])('%s of %s is %s', (pattern, stream, path) => {
  expect(entryPath(pattern, entry(stream, 'text'))).toBe(path);
});

test('what stands between the bytes', async () => {
  const lines = await makeWriter({ lines: true })(entry('cam', 'x'));
  expect(Buffer.from(lines).toString()).toBe('x\n');
  expect(await makeWriter({})(entry('cam', 'x'))).toEqual(new TextEncoder().encode('x'));
  const json = String(await makeWriter({ json: true })(entry('cam', '\ufeff"')));
  expect(JSON.parse(json).data).toBe('\ufeff"');
});
