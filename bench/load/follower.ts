/**
 * A process that follows with many raw sockets and counts what they are sent, which is all that it costs
 * it; it has the entries made too, always a few ahead of the slowest follower, so that what is measured is
 * how fast entries go out to followers that keep up.
 *
 *     node follower.js '{"port", "path", "followers", "wire", …}'
 *
 * With `feed` it prints `ready` once all follow, has entries made for `warmUpMs` and then `ms`, and waits
 * until every follower has all of them. Without, each is to be sent `entries` that there are already. Then
 * it prints `done {"rate", "deliveries"}`, the rate in deliveries a second. An entry lost, or sent twice,
 * is an error.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { type BrokerLink, openBrokerFollower } from './broker.js';
import { countEntries, type EntryCounter, type EntryWire } from './entry-counter.js';
import { type Feed, type FeedTask, openFeed } from './feed.js';
import { openEach, openSockets } from './many-sockets.js';
import type { TakeBytes } from './received.js';
import { RunProgress } from './run-progress.js';

interface FollowTask {
  readonly port: number;
  readonly path: string;
  readonly followers: number;
  readonly wire: EntryWire;
  /** To follow there instead of at `port` and `path`. */
  readonly broker?: BrokerLink;
}

export interface LiveTask extends FollowTask {
  readonly feed: FeedTask;
  readonly warmUpMs: number;
  readonly ms: number;
}

export interface ReplayTask extends FollowTask {
  readonly entries: number;
}

export interface FollowerResult {
  /** Deliveries a second after the warm-up. */
  readonly rate: number;
  /** All of them. */
  readonly deliveries: number;
}

/** Between the last upgrade and the first entry: what a server does for a new socket is over by then. */
const SETTLE_MS = 150;
/** For what may come after the last entry. */
const SURPLUS_MS = 30;
const STALLED_MS = 10_000;

const counters: Pick<EntryCounter, 'entries'>[] = [];
const delivered = () => counters.reduce((sum, counter) => sum + counter.entries(), 0);

/** Opens all sockets; `onRun` is called when all of them have a run more. */
async function follow(task: FollowTask, progress: RunProgress, onRun: () => void): Promise<void> {
  if (task.broker !== undefined) return followBroker(task.broker, task, progress, onRun);
  await openSockets(task.port, 0, task.followers, (index) => {
    const counter = countEntries(task.wire);
    counters.push(counter);
    const take: TakeBytes = (buffer, from, to) => {
      counter.take(buffer, from, to);
      if (progress.advance(index, counter.entries())) onRun();
    };
    return { path: task.path, take };
  });
}

async function followBroker(
  link: BrokerLink,
  { followers, wire: { entryBytes } }: FollowTask,
  progress: RunProgress,
  onRun: () => void,
): Promise<void> {
  await openEach(0, followers, (index) => {
    let entries = 0;
    counters.push({ entries: () => entries });
    return openBrokerFollower(link, index, (_bytes, _at, length) => {
      if (length !== entryBytes) throw new Error(`a message of ${length} bytes came, not of ${entryBytes}`);
      entries++;
      if (progress.advance(index, entries)) onRun();
    });
  });
}

/** @throws Error where nothing comes for a long time */
function watchForStall(): void {
  let before = 0;
  setInterval(() => {
    const now = delivered();
    if (now === before) {
      const least = Math.min(...counters.map((counter) => counter.entries()));
      throw new Error(`nothing came for ${STALLED_MS} ms; a follower has ${least} entries`);
    }
    before = now;
  }, STALLED_MS);
}

/** @throws Error where a follower was sent more or less */
async function checkSurplus(expected: number): Promise<void> {
  await delay(SURPLUS_MS);
  const wrong = counters.find((counter) => counter.entries() !== expected);
  if (wrong) throw new Error(`a follower was sent ${wrong.entries()} entries of ${expected}`);
}

async function replay(task: ReplayTask): Promise<FollowerResult> {
  const start = performance.now();
  let finish = () => {};
  const done = new Promise<void>((resolve) => {
    finish = resolve;
  });
  await follow(task, new RunProgress(task.followers, task.entries), finish);
  await done;
  const ms = performance.now() - start;
  await checkSurplus(task.entries);
  return result(0, ms);
}

async function followLive(task: LiveTask): Promise<FollowerResult> {
  const { runEntries, runs } = task.feed;
  const progress = new RunProgress(task.followers, runEntries);
  let feed: Feed | undefined;
  let pushed = 0;
  let isFeeding = true;
  let finish = () => {};
  const done = new Promise<void>((resolve) => {
    finish = resolve;
  });
  const goOn = () => {
    while (isFeeding && pushed < progress.complete + runs) feed?.push(pushed++);
    if (progress.complete === pushed) finish();
  };
  await follow(task, progress, goOn);
  feed = await openFeed(task.feed);
  console.log('ready');
  await delay(SETTLE_MS);
  goOn();
  await delay(task.warmUpMs);
  const before = delivered();
  const start = performance.now();
  await delay(task.ms);
  isFeeding = false;
  goOn();
  await done;
  const ms = performance.now() - start;
  await checkSurplus(pushed * runEntries);
  feed.check(pushed);
  return result(before, ms);
}

/** @param before deliveries that do not count */
function result(before: number, ms: number): FollowerResult {
  const deliveries = delivered();
  return { rate: ((deliveries - before) * 1000) / ms, deliveries };
}

const task = JSON.parse(process.argv[2]!) as LiveTask | ReplayTask;
watchForStall();
const done = 'feed' in task ? await followLive(task) : await replay(task);
console.log(`done ${JSON.stringify(done)}`);
process.exit();
