/** Measures what one more of each thing costs on this machine. */
import { setTimeout as delay } from 'node:timers/promises';
import type { IdleSocketsTask } from '../load/idle-sockets.js';
import { checkOpenFiles } from '../load/many-sockets.js';
import { describeMachine, machineLine } from '../machine.js';
import { Started } from '../opening.js';
import { cpuSeconds, startProgram } from '../programs.js';
import { measureSize, startGateways, type Used } from './bed.js';
import type { Costs, EntryCosts, RestCosts } from './costs.js';

type Tell = (line: string) => void;

interface Kind {
  readonly bytes: number;
  readonly cameras: number;
  readonly rate: number;
  /** Of each camera, where one more is to make a difference. */
  readonly many: number;
}

const SMALL: Kind = { bytes: 100, cameras: 20, rate: 30, many: 20 };
const LARGE: Kind = { bytes: 100_000, cameras: 16, rate: 30, many: 4 };
const SECONDS = 10;
const FIRST_FOLLOWERS = 1000;
const FOLLOWERS = 8000;
const SETTLE_MS = 10_000;
/** Longer than the time between two pings. */
const REST_SECONDS = 130;

/** @param used of the rest alone is taken off, which goes on meanwhile */
function each(used: Used, rest: RestCosts) {
  const { entries, seconds, pushing, following, redis } = used;
  const atRest = rest.gateway * seconds;
  const per = (cpu: number, resting = 0) => Math.max(0, (cpu * 1e6 - resting) / entries);
  return {
    pushMain: per(pushing.main, atRest),
    pushOthers: per(pushing.others),
    followMain: per(following.main, atRest),
    followOthers: per(following.others),
    redis: per(redis, rest.redis * seconds),
  };
}

async function measureEntries(kind: Kind, rest: RestCosts, tell: Tell): Promise<EntryCosts> {
  const { bytes, many } = kind;
  const measure = async (followers: number) => {
    const used = await measureSize({ ...kind, followers }, SECONDS);
    const costs = each(used, rest);
    tell(
      `others took ${used.byOthers.toFixed(2)} cores; ${bytes} B, ${followers} followers: ${JSON.stringify(costs)}`,
    );
    return costs;
  };
  const none = await measure(0);
  const one = await measure(1);
  const more = await measure(many);
  const deliverMain = (more.followMain - one.followMain) / (many - 1);
  return {
    bytes,
    pushMain: none.pushMain,
    pushOthers: none.pushOthers,
    readMain: Math.max(0, one.followMain - deliverMain),
    readOthers: one.followOthers,
    deliverMain,
    redisWrite: none.redis,
    redisRead: Math.max(0, one.redis - none.redis),
  };
}

async function measureRest(tell: Tell): Promise<RestCosts> {
  checkOpenFiles(FIRST_FOLLOWERS + FOLLOWERS);
  const started = new Started();
  try {
    const { redis, pushing: empty, following } = await startGateways(started);
    await delay(SETTLE_MS);
    const gatewayBytes = await empty.residentBytes();
    const task: IdleSocketsTask = { port: following.port, path: '/data/one/pull' };
    const sockets = started.add(startProgram('load/idle-sockets', task));
    const residentWith = async (count: number) => {
      sockets.tell(String(count));
      await sockets.says('open');
      await delay(SETTLE_MS);
      return following.residentBytes();
    };
    const before = await residentWith(FIRST_FOLLOWERS);
    const followerBytes = ((await residentWith(FIRST_FOLLOWERS + FOLLOWERS)) - before) / FOLLOWERS;
    const pids = [empty, following].map(({ process }) => process.pid!);
    const times = () => Promise.all([...pids, redis.process.pid!].map((pid) => cpuSeconds(pid)));
    const from = await times();
    await delay(REST_SECONDS * 1000);
    const until = await times();
    const [gateway, full, store] = until.map((cpu, at) => ((cpu - from[at]!) * 1e6) / REST_SECONDS);
    const rest: RestCosts = {
      gateway: gateway!,
      // Two gateways are connected to it.
      redis: store!,
      follower: Math.max(0, (full! - gateway!) / (FIRST_FOLLOWERS + FOLLOWERS)),
      followerBytes,
      gatewayBytes,
    };
    tell(`at rest: ${JSON.stringify(rest)}`);
    return rest;
  } finally {
    await started.stop();
  }
}

export async function measureCosts(tell: Tell): Promise<Costs> {
  const rest = await measureRest(tell);
  const small = await measureEntries(SMALL, rest, tell);
  const large = await measureEntries(LARGE, rest, tell);
  return { measuredOn: machineLine(await describeMachine()), rest, entries: [small, large] };
}
