/**
 * A process that sends numbered messages at a steady rate and times how long each takes to come back.
 *
 *     node latency-probe.js '{"via": "gateway", "port", …}'
 *
 * Prints `ready`; for each line `{"rate", "ms"}` on its standard input it sends so many messages a second
 * for so long, and prints `done {"p50", "p99", "p999"}` in milliseconds once all have come. A message's
 * time counts from when it was due, not from when it was sent: a message that waits for those before it
 * is late, and counts as late.
 */
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { Worker } from 'node:worker_threads';
import { type Link, openReceiver } from './latency-link.js';
import { clock, type Schedule } from './schedule.js';

export interface ProbeRun {
  /** Messages a second. */
  readonly rate: number;
  readonly ms: number;
}

export interface Latencies {
  /** Sent in all, the first ones included that do not count. */
  readonly messages: number;
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
}

/** The first messages of a run are not counted: caches and branch predictors have forgotten. */
const WARM_UP_MS = 200;
const LEAD_MS = 10;
const PATIENCE_MS = 10_000;

const link = JSON.parse(process.argv[2]!) as Link;
let schedule: Schedule = { first: 0, messages: 0, start: 0, interval: 0 };
let latencies = new Float64Array(0);
let next = 0;
let finish = () => {};

function receive(number: number): void {
  const now = clock();
  if (number !== next) throw new Error(`message ${number} came where ${next} was to come`);
  const index = next - schedule.first;
  latencies[index] = now - (schedule.start + index * schedule.interval);
  next++;
  if (index === schedule.messages - 1) finish();
}

/** By nearest rank. */
const percentile = (sorted: Float64Array, share: number) => sorted[Math.ceil(share * sorted.length) - 1]!;

async function probe({ rate, ms }: ProbeRun): Promise<Latencies> {
  const interval = 1000 / rate;
  const warmUp = Math.ceil(WARM_UP_MS / interval);
  const messages = warmUp + Math.ceil(ms / interval);
  latencies = new Float64Array(messages);
  schedule = { first: next, messages, start: clock() + LEAD_MS, interval };
  const done = new Promise<void>((resolve) => {
    finish = resolve;
  });
  sender.postMessage(schedule);
  const patience = setTimeout(
    () => {
      throw new Error(`message ${next} did not come`);
    },
    messages * interval + PATIENCE_MS,
  );
  await done;
  clearTimeout(patience);
  const sorted = latencies.slice(warmUp).sort();
  return {
    messages,
    p50: percentile(sorted, 0.5),
    p99: percentile(sorted, 0.99),
    p999: percentile(sorted, 0.999),
  };
}

await openReceiver(link, receive);
const sender = new Worker(new URL('./latency-sender.js', import.meta.url), { workerData: link });
await once(sender, 'message');
console.log('ready');
for await (const line of createInterface(process.stdin)) {
  console.log(`done ${JSON.stringify(await probe(JSON.parse(line) as ProbeRun))}`);
}
