/**
 * Cameras and followers at a steady rate, and what CPU time they take: one gateway gets the entries and another has the
 * followers, as where many gateways are behind a balancer. Redis is reached over TCP.
 */
import { readFile } from 'node:fs/promises';
import { freePort } from '../../test/support/free-port.js';
import { type GatewayProcess, startGatewayProcess } from '../../test/support/gateway-process.js';
import { startRedis, type TestRedis } from '../../test/support/redis-server.js';
import type { ByteFollowersTask } from '../load/byte-followers.js';
import type { CameraProducerTask } from '../load/camera-producer.js';
import { ROOM_FOR_MANY } from '../load/many-sockets.js';
import { Started } from '../opening.js';
import { cpuSeconds, startProgram } from '../programs.js';
import { machineSeconds, QUIET, untilQuiet } from './quiet.js';

export interface Size {
  readonly cameras: number;
  /** Entries a second of each. */
  readonly rate: number;
  readonly bytes: number;
  /** Of each camera. */
  readonly followers: number;
}

/** CPU seconds of a main thread, and of all other threads of its process. */
export interface ThreadTimes {
  readonly main: number;
  readonly others: number;
}

export interface Used {
  readonly entries: number;
  readonly seconds: number;
  readonly pushing: ThreadTimes;
  readonly following: ThreadTimes;
  readonly redis: number;
  /** Cores that others took meanwhile. */
  readonly byOthers: number;
}

export interface Gateways {
  readonly redis: TestRedis;
  readonly pushing: GatewayProcess;
  readonly following: GatewayProcess;
}

const SETTINGS = {
  ...ROOM_FOR_MANY,
  MAX_CLIENT_SHARE: '100',
  READER_THREADS: '1',
  POOL_THREADS: '1',
  REDIS_STREAM_MAXLEN: '100',
};
/** Until its code is compiled. */
const WARM_UP_SECONDS = 4;
/** All cameras push a whole number of frames in it. */
const SLICE_SECONDS = 2;
const SID = 'camera-';

export async function startGateways(started: Started): Promise<Gateways> {
  const port = await freePort();
  const redis = started.add(await startRedis('--port', String(port)));
  const settings = { ...SETTINGS, REDIS_URL: `redis://127.0.0.1:${port}` };
  const pushing = started.add(await startGatewayProcess(settings));
  const following = started.add(await startGatewayProcess(settings));
  return { redis, pushing, following };
}

export async function threadTimes({ process }: GatewayProcess): Promise<ThreadTimes> {
  const pid = process.pid!;
  const all = await cpuSeconds(pid);
  const schedule = await readFile(`/proc/${pid}/task/${pid}/schedstat`, 'utf8');
  const main = Number(schedule.split(' ', 1)[0]) / 1e9;
  return { main, others: all - main };
}

async function timesOf({ redis, pushing, following }: Gateways) {
  return {
    pushing: await threadTimes(pushing),
    following: await threadTimes(following),
    redis: await cpuSeconds(redis.process.pid!),
  };
}

const since = (before: ThreadTimes, after: ThreadTimes): ThreadTimes => ({
  main: after.main - before.main,
  others: after.others - before.others,
});

/**
 * What so many cameras and followers take in about so many seconds; each follower must get each entry once. Measured in
 * slices; those in which other programs used much of the machine are left out.
 */
export async function measureSize(size: Size, seconds: number): Promise<Used> {
  const started = new Started();
  try {
    const gateways = await startGateways(started);
    const { cameras, bytes, rate } = size;
    const producerTask: CameraProducerTask = { port: gateways.pushing.port, sid: SID, cameras, rate, bytes };
    const followersTask: ByteFollowersTask = {
      port: gateways.following.port,
      sid: SID,
      streams: cameras,
      followers: size.followers,
      bytes,
    };
    const followers = started.add(startProgram('load/byte-followers', followersTask));
    const producer = started.add(startProgram('load/camera-producer', producerTask));
    await followers.says('ready');
    await producer.says('ready');
    const ownPids = [process.pid, gateways.redis.process.pid!];
    for (const { process } of [gateways.pushing, gateways.following, followers, producer])
      ownPids.push(process.pid!);
    const secondsOfOthers = async () => (await machineSeconds()) - (await cpuSeconds(...ownPids));
    const push = async (duration: number): Promise<Used> => {
      const othersBefore = await secondsOfOthers();
      const before = await timesOf(gateways);
      const start = performance.now();
      producer.tell(String(duration));
      const entries = Number(await producer.says('pushed'));
      followers.tell(String(entries / cameras));
      await followers.says('received');
      const after = await timesOf(gateways);
      const elapsed = (performance.now() - start) / 1000;
      return {
        entries,
        seconds: elapsed,
        byOthers: ((await secondsOfOthers()) - othersBefore) / elapsed,
        pushing: since(before.pushing, after.pushing),
        following: since(before.following, after.following),
        redis: after.redis - before.redis,
      };
    };
    await push(WARM_UP_SECONDS);
    let sum: Used | undefined;
    while (sum === undefined || sum.seconds < seconds) {
      await untilQuiet(ownPids);
      const slice = await push(SLICE_SECONDS);
      if (slice.byOthers <= QUIET) sum = sum === undefined ? slice : together(sum, slice);
    }
    return sum;
  } finally {
    await started.stop();
  }
}

const added = (one: ThreadTimes, other: ThreadTimes): ThreadTimes => ({
  main: one.main + other.main,
  others: one.others + other.others,
});

function together(one: Used, other: Used): Used {
  const seconds = one.seconds + other.seconds;
  return {
    entries: one.entries + other.entries,
    seconds,
    byOthers: (one.byOthers * one.seconds + other.byOthers * other.seconds) / seconds,
    pushing: added(one.pushing, other.pushing),
    following: added(one.following, other.following),
    redis: one.redis + other.redis,
  };
}
