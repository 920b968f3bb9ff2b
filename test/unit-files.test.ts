/** The choice of the tests for `npm run test:unit`. */
import { expect, test } from 'vitest';
import { findUnitFiles, startsProcess } from './unit-files.js';

test('takes tests of pure code, and of supports that only pretend', () => {
  expect(findUnitFiles()).toEqual(
    expect.arrayContaining([
      'test/protocol/names.test.ts',
      'test/redis/socket-writer.test.ts',
      // It names the type of what it does not start.
      'test/follow/catch-up/catch-up-source.test.ts',
    ]),
  );
  expect(findUnitFiles().length).toBeGreaterThan(50);
});

test.each([
  'test/support/gateway-process.ts',
  'test/support/redis-server.ts',
  'test/support/browser.ts',
  'test/support/machine.ts',
  'test/support/gateway-fixture.ts',
])('%s starts a process, and what imports it is left out', (support) => {
  expect(startsProcess(support)).toBe(true);
});

test.each([
  ['a gateway, by way of a fixture', 'test/server/log.test.ts'],
  ['a command', 'test/cli/push-pipe.test.ts'],
  ['a browser', 'test/web/docs.test.ts'],
  ['a server program, by the source', 'test/embedded/choose-server.test.ts'],
])('leaves out a test that starts %s', (_what, file) => {
  expect(startsProcess(file)).toBe(true);
  expect(findUnitFiles()).not.toContain(file);
});
