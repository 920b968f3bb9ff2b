/** Listings of very many streams: what they cost is bounded, and others are served meanwhile. */
import { readFile } from 'node:fs/promises';
import { beforeAll, describe, expect, test } from 'vitest';
import { startForFile } from '../support/gateway-fixture.js';
import { askGraphql } from '../support/graphql.js';
import { costOf } from '../support/redis-cost.js';
import { TestSocket } from '../support/socket.js';

const MIB = 1024 * 1024;
const STREAMS = 100_000;
/** Keys that Redis looks at in one SCAN. */
const STEP = 1000;
/**
 * How long the gateway's main thread may work while an entry waits for its ack: its own time, whatever else the
 * machine does. What graphql-js does with the longest list is one piece.
 */
const MOST_WORK_MS = 2500;

const { redis, gateway } = await startForFile({ POOL_THREADS: '1' });

beforeAll(async () => {
  const fill = `for i = 1, ${STREAMS} do redis.call('XADD', 'camera-' .. i .. ':frames', '1-1', 'd', 'x') end`;
  await redis.client.eval(fill, 0);
}, 60_000);

const aliases = (count: number, field: (index: number) => string) =>
  `{ ${Array.from({ length: count }, (_, index) => `a${index}: ${field(index)}`).join(' ')} }`;

interface Meanwhile {
  readonly problem: string | undefined;
  readonly longestWorkMs: number;
}

/** How long the gateway's main thread was at work since it began, in ms. */
async function workMs(): Promise<number> {
  const { pid } = gateway.process;
  return Number((await readFile(`/proc/${pid}/task/${pid}/schedstat`, 'utf8')).split(' ')[0]) / 1e6;
}

/** Asks, while a producer waits for one ack after the other. */
async function askWhilePushing(query: string): Promise<Meanwhile> {
  const socket = await TestSocket.open(`${gateway.ws}/data/x/push?ack=1&header=0`);
  let isOver = false;
  const asking = askGraphql(gateway, query).finally(() => {
    isOver = true;
  });
  let longestWorkMs = 0;
  while (!isOver) {
    const begun = await workMs();
    socket.send(Buffer.of(1));
    await socket.receive();
    longestWorkMs = Math.max(longestWorkMs, (await workMs()) - begun);
  }
  await socket.close();
  const { errors } = await asking;
  return { problem: errors?.[0]?.message, longestWorkMs };
}

const TOO_MUCH = 'the answer would have more than 64 MiB of entries, metadata and ids: ask for fewer at once';

describe(`of ${STREAMS} streams`, () => {
  test.each([
    ['under a hundred aliases', aliases(100, () => 'streams { id }'), TOO_MUCH],
    [
      'by a hundred patterns that fit all',
      aliases(100, (i) => `streamIds(match: "*${'*'.repeat(i)}")`),
      /500000 keys/,
    ],
    [
      'by a hundred patterns with many stars',
      aliases(100, (i) => `streamIds(match: "${'*a'.repeat(100)}${i}")`),
      undefined,
    ],
    ['once', '{ streams { id } }', undefined],
  ])('%s', async (_, query, problem) => {
    const before = await gateway.residentBytes();
    let seen: Meanwhile | undefined;
    const { calls } = await costOf(redis.client, async () => {
      seen = await askWhilePushing(query);
    });
    if (problem instanceof RegExp) expect(seen!.problem).toMatch(problem);
    else expect(seen!.problem).toBe(problem);
    expect(seen!.longestWorkMs).toBeLessThan(MOST_WORK_MS);
    // One walk for streams and one for metadata.
    expect(calls.scan).toBeLessThanOrEqual(2 * (STREAMS / STEP + 2));
    expect((await gateway.residentBytes()) - before).toBeLessThan(400 * MIB);
  });
});
