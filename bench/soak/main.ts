/**
 * Ten minutes of steady load, clients that come and go and a Redis that dies every minute; then a verdict:
 * is everything where it was told to be, and has nothing grown?
 *
 *     npm run soak -- [--minutes 10] [--rate 10000] [--bytes 100] [--restart-seconds 60]
 *
 * Ends with status 1 where something is not as it should be. Not part of the tests: it takes its time.
 */
import { once } from 'node:events';
import { parseArgs } from 'node:util';
import { Redis } from 'ioredis';
import { startGatewayProcess } from '../../test/support/gateway-process.js';
import { startRedis, type TestRedis } from '../../test/support/redis-server.js';
import { type Digest, Truth } from './checker.js';
import { Churn } from './churn.js';
import { SoakFollower } from './follower.js';
import { findGrowth, readVitals, type Vitals, vitalsLine } from './vitals.js';
import { SoakWriter, type WriterTotals } from './writer.js';

const STREAMS = ['a', 'b'];
const WRITERS_EACH = 2;
const SAMPLE_MS = 5000;
const STILL_MS = 5000;
/** Longer than the truth waits for an entry. */
const POLL_MS = 500;

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    rate: { type: 'string', default: '10000' },
    bytes: { type: 'string', default: '100' },
    'restart-seconds': { type: 'string', default: '60' },
  },
});
const rate = Number(values.rate);
/** Entries a stream keeps: more than come while somebody catches up after an outage, the one who checks included. */
const maxLength = Math.max(500_000, (rate / STREAMS.length) * 60);
const durationMs = Number(values.minutes) * 60_000;
const restartMs = Number(values['restart-seconds']) * 1000;

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Kills Redis as hard as can be, or asks it to end, in turns; it comes back with its data. */
async function restart(redis: TestRedis, signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
  const { process } = redis;
  process.kill(signal);
  await once(process, 'exit');
  await redis.restart();
}

/** Waits until all have seen what there is, or nobody sees anything new. */
async function settled(digests: () => readonly (readonly [Digest, Digest])[]): Promise<void> {
  let seen = '';
  for (let movedAt = performance.now(); performance.now() - movedAt < STILL_MS; ) {
    await sleep(POLL_MS);
    const now = digests().flat().join();
    if (now !== seen) movedAt = performance.now();
    else if (digests().every(([one, other]) => `${one}` === `${other}`)) return;
    seen = now;
  }
}

async function soak(): Promise<string[]> {
  const redis = await startRedis('--appendonly', 'yes', '--appendfsync', 'everysec');
  const gateway = await startGatewayProcess({ REDIS_URL: redis.url, REDIS_STREAM_MAXLEN: String(maxLength) });
  const readers: Redis[] = [];
  try {
    const truths = STREAMS.map((sid) => {
      const reader = new Redis({ path: redis.path, retryStrategy: () => 50, maxRetriesPerRequest: 0 });
      reader.on('error', () => {});
      readers.push(reader);
      return new Truth(reader, `default:${sid}`);
    });
    const followers = await Promise.all(
      STREAMS.flatMap((sid, at) =>
        ['block=0&count=100', 'block=100&count=1000&header=msgpack'].map(async (query) => ({
          truth: truths[at]!,
          follower: await SoakFollower.open(
            `${sid}?${query}`,
            `${gateway.ws}/data/${sid}/pull?last_entry_id=0&${query}`,
          ),
        })),
      ),
    );
    const totals: WriterTotals = { acked: 0, refused: 0, unknown: 0 };
    const writers = STREAMS.flatMap((sid, at) =>
      Array.from(
        { length: WRITERS_EACH },
        (_, number) =>
          new SoakWriter({
            url: `${gateway.ws}/data/${sid}/push?ack=1`,
            name: `${sid}${number}`,
            rate: rate / (STREAMS.length * WRITERS_EACH),
            bytes: Number(values.bytes),
            truth: truths[at]!,
            totals,
          }),
      ),
    );
    const churn = new Churn(gateway);
    const samples: Vitals[] = [];
    const begun = performance.now();
    let restarts = 0;
    for (let sampleAt = begun; performance.now() - begun < durationMs; ) {
      await sleep(sampleAt + SAMPLE_MS - performance.now());
      sampleAt = performance.now();
      if (performance.now() - begun > (restarts + 1) * restartMs) {
        await restart(redis, restarts++ % 2 === 0 ? 'SIGKILL' : 'SIGTERM');
        // What it takes to get over it is not what is held against anything.
        continue;
      }
      const vitals = await readVitals(gateway, redis.client, begun);
      samples.push(vitals);
      const faults = [...truths, ...followers.map(({ follower }) => follower)].filter(({ fault }) => fault);
      console.log(
        `${vitalsLine(vitals)}; ${totals.acked} acked, ${totals.refused} refused, ${totals.unknown} unknown; ` +
          `${churn.totals.visits} visits, ${restarts} restarts`,
      );
      if (faults.length > 0) break;
    }
    await Promise.all([churn.stop(), ...writers.map((writer) => writer.stop())]);
    const faults = findGrowth(samples);
    await settled(() => followers.map(({ truth, follower }) => [truth.digest, follower.digest] as const));
    await Promise.all(truths.map((truth) => truth.stop()));
    for (const { key, fault, awaited } of truths) {
      if (fault) faults.push(`${key}: ${fault.message}`);
      if (awaited > 0) faults.push(`${key}: ${awaited} entries were acknowledged and are not there`);
    }
    for (const { truth, follower } of followers) {
      if (follower.fault) faults.push(`${follower.name}: ${follower.fault.message}`);
      else if (follower.digest.toString() !== truth.digest.toString()) {
        faults.push(`${follower.name} has ${follower.digest}, and there are ${truth.digest}`);
      }
    }
    if ((await gateway.metric('followers_overtaken_total')) > 0)
      faults.push('a follower was overtaken by trimming');
    const seconds = (performance.now() - begun) / 1000;
    console.log(
      `${Math.round(seconds)} s, ${Math.round(totals.acked / seconds)} entries/s acknowledged, ` +
        `${churn.totals.visits} visits (${churn.totals.failed} refused), ${restarts} restarts of Redis; ` +
        truths.map(({ key, digest }) => `${key}: ${digest}`).join('; '),
    );
    for (const { follower } of followers) follower.close();
    return faults;
  } finally {
    for (const reader of readers) reader.disconnect();
    await gateway.stop();
    await redis.stop();
  }
}

const faults = await soak();
for (const fault of faults) console.error(`NOT AS IT SHOULD BE: ${fault}`);
console.log(faults.length === 0 ? 'all is as it should be' : `${faults.length} faults`);
process.exit(faults.length === 0 ? 0 : 1);
