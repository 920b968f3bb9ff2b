/** `gaps=1`, with the id of the last entry that a client had: what may have gone meanwhile is reported. */
import { describe, expect, test } from 'vitest';
import { startForFile } from '../../../support/gateway-fixture.js';
import { stampedFrame } from '../../../support/stamped-frames.js';
import { StreamFollower } from '../../../support/stream-follower.js';

const { redis, gateway } = await startForFile();
let streams = 0;

const freshSid = () => `stream-${streams++}`;
const keyOf = (sid: string) => `default:${sid}`;

async function add(sid: string, ...ids: string[]): Promise<void> {
  for (const id of ids) await redis.client.xadd(keyOf(sid), id, 'd', stampedFrame(id, 0));
}

const pull = (sid: string, query: string) => StreamFollower.open(gateway, sid, `block=50&${query}`);

/** The losses that a follower was sent until it had so many entries, and then a heartbeat. */
async function gapsOf(follower: StreamFollower, entries: number): Promise<StreamFollower['gaps']> {
  await follower.until(() => follower.entries.length >= entries);
  const { heartbeats } = follower;
  await follower.until(() => follower.heartbeats > heartbeats);
  expect(follower.entries.length).toBe(entries);
  await follower.close();
  return follower.gaps;
}

/** The data of the first `gap` event. */
async function gapEvent(path: string): Promise<unknown> {
  const abort = new AbortController();
  const answer = await fetch(`${gateway.http}/data/${path}`, { signal: abort.signal });
  let text = '';
  for await (const chunk of answer.body!.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    const data = /^event: ?gap\ndata: ?(.*)\n\n/m.exec(text)?.[1];
    if (data === undefined) continue;
    abort.abort();
    return JSON.parse(data);
  }
  throw new Error(`no gap event in: ${text}`);
}

/** The cursor's stream is another now: what the old one held after the cursor cannot come any more. */
const ENDS: readonly (readonly [name: string, end: (key: string) => Promise<unknown>])[] = [
  ['deleted', (key) => redis.client.del(key)],
  ['renamed', (key) => redis.client.rename(key, `${key}-old`)],
  [
    'replaced by another stream',
    async (key) => {
      await redis.client.xadd(`${key}-other`, '2-5', 'd', 'other');
      await redis.client.rename(`${key}-other`, key);
    },
  ],
];

describe.each(ENDS)('a stream that was %s while the client was away', (_name, end) => {
  test.each([
    ['with larger ids', ['11-0', '12-0', '13-0', '14-0', '15-0']],
    ['with smaller ids, which grow', ['2-9', '3-1', '12-0']],
  ])('and written again, %s: pull, REST and events report the loss', async (_ids, ids) => {
    const sid = freshSid();
    await add(sid, ...Array.from({ length: 10 }, (_, index) => `${index + 1}-0`));
    await end(keyOf(sid));
    await add(sid, ...ids);
    const resumed_at = ids.find((id) => Number.parseFloat(id.replace('-', '.')) > 3)!;
    const loss = { stream: sid, after: '3-0', resumed_at };
    const follower = await pull(sid, 'gaps=1&last_entry_id=3-0');
    await follower.until(() => follower.entries.at(-1)?.id === ids.at(-1));
    expect(follower.gaps).toEqual([expect.objectContaining({ at: 0, ...loss })]);
    await follower.close();
    const answer = await fetch(`${gateway.http}/data/${sid}?gaps=1&last_entry_id=3-0&count=9`);
    expect(JSON.parse(answer.headers.get('x-gap')!)).toEqual([expect.objectContaining(loss)]);
    expect(await gapEvent(`${sid}/events?gaps=1&last_entry_id=3-0`)).toEqual(expect.objectContaining(loss));
  });

  test('and not written again before it is back: the loss comes with the next entry', async () => {
    const sid = freshSid();
    await add(sid, ...Array.from({ length: 10 }, (_, index) => `${index + 1}-0`));
    await end(keyOf(sid));
    const follower = await pull(sid, 'gaps=1&last_entry_id=3-0');
    const waiting = fetch(`${gateway.http}/data/${sid}?gaps=1&last_entry_id=3-0&block=20000`);
    await expect.poll(() => gateway.metric('waiting_reads'), { timeout: 15_000 }).toBeGreaterThan(0);
    await add(sid, '11-0');
    await follower.until(() => follower.entries.length === 1);
    const loss = { stream: sid, after: '3-0', resumed_at: '11-0' };
    expect(follower.gaps).toEqual([expect.objectContaining(loss)]);
    const answer = await waiting;
    expect(JSON.parse(answer.headers.get('x-gap')!)).toEqual([expect.objectContaining(loss)]);
    await follower.close();
  });
});

test('an entry that was deleted after the cursor is a loss, and one before it is not', async () => {
  const sid = freshSid();
  await add(sid, '1-0', '2-0', '3-0', '4-0');
  await redis.client.xdel(keyOf(sid), '3-0');
  expect(await gapsOf(await pull(sid, 'gaps=1&last_entry_id=2-0'), 1)).toEqual([
    { at: 0, stream: sid, after: '2-0', resumed_at: '4-0', reason: 'trimmed' },
  ]);
  await add(sid, '5-0');
  expect(await gapsOf(await pull(sid, 'gaps=1&last_entry_id=4-0'), 1)).toEqual([]);
});

test('a loss amid the entries that come reaches up to the entry behind it', async () => {
  const sid = freshSid();
  await add(sid, '1-0', '2-0', '3-0', '4-0', '5-0');
  await redis.client.xdel(keyOf(sid), '3-0');
  const loss = { stream: sid, after: '1-0', resumed_at: '4-0', reason: 'trimmed' };
  expect(await gapsOf(await pull(sid, 'gaps=1&last_entry_id=1-0'), 3)).toEqual([{ at: 0, ...loss }]);
  const answer = await fetch(`${gateway.http}/data/${sid}?gaps=1&last_entry_id=1-0&count=9`);
  expect(JSON.parse(answer.headers.get('x-gap')!)).toEqual([loss]);
});
