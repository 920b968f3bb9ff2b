/** Followers that have stopped reading, among others that keep up: those do not feel it. */
import { expect, test, vi } from 'vitest';
import { startForFile } from '../support/gateway-fixture.js';
import { storedEntries } from '../support/stored-entries.js';
import { StreamFollower } from '../support/stream-follower.js';
import { StreamWriter } from '../support/stream-writer.js';

const KIB = 1024;
const MIB = 1024 * KIB;
const SID = 'video';
const FAST = 5;
const SLOW = 20;
const WARM_UP = 100;
const FRAMES = 300;
const FRAME_BYTES = 256 * KIB;
/** Far more than a delivery takes, and far less than a slow client would hold it up. */
const MOST_MS = 2000;
/** A message in part for each slow one, and what lies between two garbage collections. */
const MOST_GROWTH = SLOW * MIB + 80 * MIB;

const { redis, gateway } = await startForFile({ REDIS_STREAM_MAXLEN: '1000000' });

test('fast followers are sent each frame at once, and slow ones all of them later', {
  timeout: 60_000,
}, async () => {
  const open = (count: number) =>
    Promise.all(Array.from({ length: count }, () => StreamFollower.open(gateway, SID, 'block=0')));
  const fast = await open(FAST);
  const slow = await open(SLOW);
  const writer = await StreamWriter.open(gateway, SID, 'w');

  /** One frame after the other has to reach every one of them. @returns the longest that a frame took */
  const passFrames = async (count: number, to: readonly StreamFollower[]): Promise<number> => {
    let longest = 0;
    for (let frame = 0; frame < count; frame++) {
      const begun = performance.now();
      const { stamp } = await writer.send(FRAME_BYTES);
      await Promise.all(to.map((follower) => follower.until(() => follower.entries.at(-1)?.stamp === stamp)));
      longest = Math.max(longest, performance.now() - begun);
    }
    return longest;
  };

  await passFrames(WARM_UP, [...fast, ...slow]);
  const usual = await gateway.residentBytes();
  for (const follower of slow) follower.pause();
  expect(await passFrames(FRAMES, fast)).toBeLessThan(MOST_MS);
  await vi.waitFor(async () => expect(await gateway.metric('followers{state="behind"}')).toBe(SLOW));
  expect((await gateway.residentBytes()) - usual).toBeLessThan(MOST_GROWTH);

  const stored = (await storedEntries(redis.client, `default:${SID}`)).map(
    ({ id, stamp }) => `${id} ${stamp}`,
  );
  expect(stored.length).toBe(WARM_UP + FRAMES);
  for (const follower of slow) follower.resume();
  for (const follower of [...fast, ...slow]) {
    await follower.until(() => follower.entries.length === stored.length);
    expect(follower.entries.map(({ id, stamp }) => `${id} ${stamp}`)).toEqual(stored);
    expect(follower.isClosed).toBe(false);
  }
  expect(await gateway.metric('followers_overtaken_total')).toBe(0);
  await Promise.all([writer, ...fast, ...slow].map((client) => client.close()));
});
