/** What a pipe knows of its connection, by what Redis tells and what it does not. */
import { expect, test } from 'vitest';
import { introduce } from '../../src/append/introduction.js';
import { array, bulk, type Reply } from '../support/replies.js';
import { scriptedRedis } from '../support/scripted-redis.js';

const NOT_ALLOWED: Reply = { type: 'error', value: 'NOPERM no permissions' };
const INFO = bulk('id=17 addr=127.0.0.1:1 name=streamgate-append-x age=1 flags=N\n');
const SERVER = bulk('# Server\r\nredis_version:7.2.4\r\nrun_id:0a1b2c\r\ntcp_port:6379\r\n');
const TIME = array(bulk('1700000000'), bulk('123999'));

async function introduceBy(...replies: Reply[]) {
  const redis = scriptedRedis(replies);
  const introduction = await introduce(redis, 'append-x');
  expect(redis.asked).toEqual(['CLIENT INFO', 'INFO server', 'TIME']);
  return introduction;
}

test('the connection’s number, the server’s process and its time', async () => {
  const begun = performance.now();
  const { askedAt, localTime, ...told } = await introduceBy(INFO, SERVER, TIME);
  // Whole ms: ids have no more.
  expect(told).toEqual({
    role: 'append-x',
    clientId: '17',
    runId: '0a1b2c',
    redisTime: 1_700_000_000_123,
    isTested: true,
  });
  const order = [begun, askedAt, localTime, performance.now()];
  expect(order).toEqual(order.toSorted((a, b) => a - b));
});

test('is unknown where Redis does not tell', async () => {
  expect(await introduceBy(NOT_ALLOWED, NOT_ALLOWED, NOT_ALLOWED)).toMatchObject({
    clientId: undefined,
    runId: undefined,
    redisTime: undefined,
    isTested: false,
  });
});

test.each([
  ['redis_version:7.2.4\r\nvalkey_version:9.1.2\r\ngcc_version:14.2.0\r\n', true],
  ['redis_version:7.2.4\r\nredict_version:7.3.6\r\n', true],
  ['redis_version:7.4.0\r\ndragonfly_version:df-v1.30.0\r\n', false],
  ['redis_version:6.3.4\r\nexecutable:/usr/bin/keydb-server\r\n', false],
  ['redis_version:7.0.0\r\nkvrocks_version:2.11.0\r\n', false],
  ['run_id:0a1b2c\r\n', false],
])('whether its word on changes by others is known to hold: %j, %s', async (server, isTested) => {
  expect(await introduceBy(INFO, bulk(server), TIME)).toMatchObject({ isTested });
});

test.each(['', 'streamgate-append-xy', 'streamgate-append-'])(
  'the number of a connection under another name is not taken for ours: "%s"',
  async (name) => {
    const { clientId, runId } = await introduceBy(bulk(`id=17 name=${name} age=1\n`), SERVER, TIME);
    expect([clientId, runId]).toEqual([undefined, '0a1b2c']);
  },
);
