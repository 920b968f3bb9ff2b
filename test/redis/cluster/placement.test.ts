/** What nodes say of where the keys are. */
import type { Redis } from 'ioredis';
import { expect, test } from 'vitest';
import { readNodes, readPlacement } from '../../../src/redis/cluster/placement.js';

const line = (id: string, flags: string, ...slots: string[]) =>
  [id, `127.0.0.1:7000@17000,host`, flags, '-', '0', '1426238317239', '2', 'connected', ...slots].join(' ');

/** A master that says so. */
const master = (reply: string | Error) =>
  ({ call: async () => (reply instanceof Error ? Promise.reject(reply) : reply) }) as unknown as Redis;

const A = `${line('a', 'myself,master', '0-5', '9')}\n${line('b', 'master', '6-8')}\n${line('c', 'slave')}\n`;
const B = `${line('a', 'master', '0-5', '9')}\n${line('b', 'myself,master', '6-8')}\n`;

test('a report has what the node says of itself, and who has slots', () => {
  expect(readNodes(A)).toEqual({ id: 'a', own: '0-5 9', isMoving: false, owners: ['a', 'b'] });
  expect(readNodes(B.replaceAll('\n', '\r\n'))).toMatchObject({ id: 'b', own: '6-8' });
  const moving = readNodes(line('a', 'myself,master', '0-5', '[5->-b]'));
  expect(moving).toEqual({ id: 'a', own: '0-5 [5->-b]', isMoving: true, owners: ['a'] });
  const coming = readNodes(line('a', 'myself,master', '[6-<-b]'));
  expect(coming).toMatchObject({ isMoving: true, owners: [] });
});

test('a placement tells whether slots are on their way, and whether all owners were asked', async () => {
  const both = await readPlacement([master(A), master(B)], '');
  expect(both).toMatchObject({ isMoving: false, hasOthers: false });
  expect(await readPlacement([master(A), master(B)], '')).toEqual(both);
  expect(await readPlacement([master(A)], '')).toMatchObject({ isMoving: false, hasOthers: true });
  const moving = A.replace('0-5 9', '0-5 9 [9->-b]');
  expect(await readPlacement([master(moving), master(B)], '')).toMatchObject({
    isMoving: true,
    hasOthers: false,
  });
});

test('it has another text once a slot is elsewhere', async () => {
  const [before, after] = await Promise.all([
    readPlacement([master(A), master(B)], ''),
    readPlacement([master(A.replace('0-5 9', '0-5')), master(B.replace('6-8', '6-9'))], ''),
  ]);
  expect(after.text).not.toBe(before.text);
});

test('a master that is away is not waited for, and one where nobody may ask says nothing', async () => {
  const away = master(new Error('Connection is closed.'));
  expect(await readPlacement([master(A), away], '')).toMatchObject({ isMoving: false, hasOthers: false });
  expect(await readPlacement([away, away], 'version 4')).toEqual({
    text: 'version 4',
    isMoving: false,
    hasOthers: false,
  });
});
