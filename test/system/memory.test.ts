import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { heapBytes, openResidentBytes } from '../../src/system/memory.js';

const MIB = 1024 * 1024;

test('the resident memory is that of the process', () => {
  const read = openResidentBytes();
  const before = read();
  expect(Math.abs(before - process.memoryUsage.rss())).toBeLessThan(64 * MIB);
  const held = Buffer.alloc(128 * MIB, 1);
  expect(read() - before).toBeGreaterThan(64 * MIB);
  expect(held.length).toBe(128 * MIB);
});

test('the heap counts with the buffers that belong to it', () => {
  const held = Buffer.alloc(64 * MIB);
  // Compared with nothing: buffers of earlier tests may be collected meanwhile.
  expect(heapBytes()).toBeGreaterThan(64 * MIB);
  expect(held.length).toBe(64 * MIB);
});

test('both are known while no descriptor is left', () => {
  const script = `
    import { openSync } from 'node:fs';
    import { heapBytes, openResidentBytes } from './dist/src/system/memory.js';
    const residentBytes = openResidentBytes();
    let code;
    while (code === undefined) try { openSync('/dev/null'); } catch (error) { code = error.code; }
    const known = [residentBytes(), heapBytes()].map((bytes) => bytes > 1e6);
    process.stdout.write(JSON.stringify([code, ...known]));`;
  const limited = [
    '-c',
    'ulimit -n 64; exec "$@"',
    'sh',
    process.execPath,
    '--input-type=module',
    '-e',
    script,
  ];
  expect(JSON.parse(execFileSync('sh', limited, { encoding: 'utf8' }))).toEqual(['EMFILE', true, true]);
});
