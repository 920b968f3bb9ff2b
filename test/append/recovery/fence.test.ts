/** Whether a lost connection is certainly at its end, by what Redis says when it is asked to end it. */
import { expect, test } from 'vitest';
import { fence } from '../../../src/append/recovery/fence.js';
import { bulk, type Reply, text } from '../../support/replies.js';
import { scriptedRedis } from '../../support/scripted-redis.js';

const NOT_ALLOWED: Reply = { type: 'error', value: 'NOPERM no permissions' };
const OURS = bulk('id=7 addr=127.0.0.1:1 name=streamgate-append-x age=1 flags=N\n');
const BEGUN = {
  role: 'append-x',
  clientId: '7',
  isTested: true,
  runId: undefined,
  redisTime: undefined,
  askedAt: 0,
  localTime: 0,
};

/** @returns whether it is certain, and what Redis was asked */
async function fenceBy(
  begun: typeof BEGUN | (Omit<typeof BEGUN, 'clientId'> & { clientId: undefined }),
  ...replies: Reply[]
) {
  const redis = scriptedRedis(replies);
  const isCertain = await fence(redis, begun);
  return [isCertain, ...redis.asked];
}

const LIST = 'CLIENT LIST ID 7';
const KILL = 'CLIENT KILL ID 7';

test.each([
  ['it is ended', [OURS, text('OK')], [true, LIST, KILL]],
  ['it has ended by itself', [bulk('')], [true, LIST]],
  [
    'its number is that of another, which is left alone',
    [bulk('id=7 name=streamgate-append-xy age=1\n')],
    [true, LIST],
  ],
  ['it may not be looked at', [NOT_ALLOWED], [false, LIST]],
  ['it may not be ended', [OURS, NOT_ALLOWED], [false, LIST, KILL]],
])('%s', async (_, replies, expected) => {
  expect(await fenceBy(BEGUN, ...replies)).toEqual(expected);
});

test('its number is not known', async () => {
  expect(await fenceBy({ ...BEGUN, clientId: undefined })).toEqual([false]);
});
