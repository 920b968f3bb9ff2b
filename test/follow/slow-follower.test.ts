/** A follower that stops reading costs the gateway next to nothing, however much passes it by. */
import { expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { startForFile } from '../support/gateway-fixture.js';
import { stampedFrame } from '../support/stamped-frames.js';
import { storedEntries } from '../support/stored-entries.js';
import { StreamFollower } from '../support/stream-follower.js';

const MIB = 1024 * 1024;
const SID = 'video';
const WARM_UP_FRAMES = 768;
const FRAMES = 2048;
const PRODUCERS = 4;
const WINDOW = 4;
const SAMPLE_MS = 25;
const MOST_GROWTH = 50 * MIB;
/** Where a sample falls between two garbage collections is chance. */
const MOST_PEAK_GROWTH = 100 * MIB;

const { redis, gateway } = await startForFile({ REDIS_STREAM_MAXLEN: '50' });
let sent = 0;

/** Pushes frames of 1 MB until `frames` were acknowledged, a few under way at once. */
async function push(frames: number): Promise<void> {
  let left = frames;
  const produce = async () => {
    const ws = new WebSocket(`${gateway.ws}/data/${SID}/push?header=0&ack=1`, {
      perMessageDeflate: false,
      // A mask of zeros is left out by the library: masking would take most of the time.
      generateMask: (mask) => mask.fill(0),
    });
    await new Promise((resolve, reject) => ws.once('open', resolve).once('error', reject));
    await new Promise<void>((resolve, reject) => {
      let underWay = 0;
      const send = () => {
        while (underWay < WINDOW && left > 0) {
          left--;
          underWay++;
          ws.send(stampedFrame('video', sent++, MIB));
        }
        if (underWay === 0) resolve();
      };
      ws.on('message', (data) => {
        const [id] = JSON.parse(data.toString()) as unknown[];
        if (typeof id !== 'string') reject(new Error(`refused: ${data}`));
        underWay--;
        send();
      });
      ws.on('close', () => reject(new Error('a producer was closed')));
      send();
    });
    ws.removeAllListeners('close');
    ws.close();
  };
  await Promise.all(Array.from({ length: PRODUCERS }, produce));
}

/** Runs `step` and resolves to the resident memory that the gateway had meanwhile: its median and its peak. */
async function memoryDuring(step: () => Promise<void>): Promise<{ median: number; peak: number }> {
  const samples = [await gateway.residentBytes()];
  const timer = setInterval(async () => samples.push(await gateway.residentBytes()), SAMPLE_MS);
  try {
    await step();
  } finally {
    clearInterval(timer);
  }
  samples.sort((a, b) => a - b);
  return { median: samples[samples.length >> 1]!, peak: samples.at(-1)! };
}

test('2 GB pass a follower that does not read', { timeout: 90_000 }, async () => {
  // As much as it takes when everyone keeps up.
  const reading = await StreamFollower.open(gateway, SID, 'block=0');
  const usual = await memoryDuring(() => push(WARM_UP_FRAMES));
  await reading.close();

  const follower = await StreamFollower.open(gateway, SID, 'block=0');
  await push(1);
  await follower.until(() => follower.entries.length === 1);
  follower.pause();
  const slow = await memoryDuring(() => push(FRAMES));
  expect(follower.isClosed).toBe(false);
  expect(slow.median - usual.median).toBeLessThan(MOST_GROWTH);
  expect(slow.peak - usual.peak).toBeLessThan(MOST_PEAK_GROWTH);

  // What it had not taken and is gone by now it misses; then it goes on in order to the very end.
  const left = await storedEntries(redis.client, `default:${SID}`);
  follower.resume();
  await follower.until(() => follower.entries.at(-1)!.id === left.at(-1)!.id);
  const seen = follower.entries.map(({ id, stamp }) => `${id} ${stamp}`);
  expect(new Set(seen).size).toBe(seen.length);
  expect(seen.slice(-left.length)).toEqual(left.map(({ id, stamp }) => `${id} ${stamp}`));
  const before = follower.entries.length;
  await push(10);
  await follower.until(() => follower.entries.length === before + 10);
  expect(await gateway.metric('followers_overtaken_total')).toBeGreaterThan(0);
  await follower.close();
});
