/** Where streams end, and what `$` stands for. */
import type { Redis } from 'ioredis';
import { expect, test, vi } from 'vitest';
import { Hub } from '../../../src/follow/live/hub.js';
import { readTails, resolveCursors } from '../../../src/follow/live/tails.js';
import { type Control, ServerControl } from '../../../src/redis/control.js';
import type { ReaderThread } from '../../../src/threads/reader-thread.js';

/** A Redis whose streams end so, and refuses where there is an error. */
function redisWith(ends: Readonly<Record<string, string | Error>>): Control {
  const streamTail = async (key: string) => {
    const end = ends[key]!;
    if (typeof end !== 'string') throw end;
    return [end, 7];
  };
  const pipeline = () => {
    const replies: Promise<unknown>[] = [];
    const made = {
      streamTail: (key: string) => {
        replies.push(streamTail(key).then((reply) => [null, reply]));
        return made;
      },
      exec: () => Promise.all(replies),
    };
    return made;
  };
  return new ServerControl({ streamTail, pipeline } as unknown as Redis);
}

function newHub() {
  const follow = vi.fn();
  const check = vi.fn();
  const hub = new Hub();
  hub.attach([{ streams: 0, follow, unfollow: () => {}, check } as unknown as ReaderThread]);
  const listen = (key: string, tail: string) =>
    hub.follow(key, tail, { onEntries: () => {}, onReset: () => {}, onEvicted: () => {} });
  return { hub, follow, check, listen };
}

test('each stream’s end is read, and its reader counts from there', async () => {
  const { hub, follow, listen } = newHub();
  const tails = await readTails(redisWith({ a: '5-0', b: '0-0' }), hub, ['a', 'b']);
  expect(tails).toEqual(['5-0', '0-0']);
  listen('a', '5-0');
  expect(follow.mock.calls).toEqual([['a', '5-0', 7, false]]);
});

test('a stream that ends before what was read of it is looked at first', async () => {
  const { hub, check, listen } = newHub();
  for (const key of ['back', 'same', 'ahead']) listen(key, '5-0');
  let isRead = false;
  const redis = redisWith({ back: '4-0', same: '5-0', ahead: '6-0', other: '1-0' });
  const read = readTails(redis, hub, ['other', 'back', 'same', 'ahead']).then((tails) => {
    isRead = true;
    return tails;
  });
  await vi.waitFor(() => expect(check).toHaveBeenCalled());
  expect(check.mock.calls).toEqual([['back']]);
  await new Promise((resolve) => setImmediate(resolve));
  expect(isRead).toBe(false);
  hub.onChecked('back');
  expect(await read).toEqual(['1-0', '4-0', '5-0', '6-0']);
});

test('a key that is no stream is reported as such', async () => {
  const refusal = Object.assign(new Error('WRONGTYPE Operation against a key'), { name: 'ReplyError' });
  await expect(readTails(redisWith({ a: refusal }), newHub().hub, ['a'])).rejects.toMatchObject({
    code: 'wrong_type',
  });
});

test('$ is where its stream ends, any other cursor is itself', () => {
  expect(resolveCursors(['$', '1-0', '$'], ['5-0', '6-0', '7-0'])).toEqual(['5-0', '1-0', '7-0']);
});
