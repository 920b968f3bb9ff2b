/**
 * `streamgate bench`: how fast the gateway that it is given takes entries and hands them on, seen from here.
 *
 * Two runs over one stream of its own, each for half of the duration: as many entries as the gateway acknowledges,
 * then a steady few, for the time from sending to receiving. Small, to see whether an installation is well;
 * `npm run bench` measures the gateway itself.
 */
import type { Command } from 'commander';
import { GatewayError } from '../client/gateway-error.js';
import type { Streamgate } from '../client/streamgate.js';
import {
  addTargetOptions,
  argument,
  makeClient,
  parseNumber,
  parseWholeNumber,
  type TargetValues,
} from './client-options.js';
import { type CommandSession, runSession } from './command-session.js';
import { EntrySender } from './entry-sender.js';
import { Pace } from './pace.js';
import { formatBytes } from './preview.js';

interface BenchValues extends TargetValues {
  /** Seconds. */
  readonly duration: number;
  /** Bytes an entry. */
  readonly size: number;
  /** Entries a second in the second run. */
  readonly rate: number;
}

const MOST_SECONDS = 600;
const MOST_BYTES = 16 * 1024 * 1024;
/** The moment of sending, as a float, at the head of each entry. */
const STAMP_BYTES = 8;
/** How long the last entries may take to come back. */
const LAST_MS = 2000;
const IN_FLIGHT_BYTES = 4 * 1024 * 1024;

/** An entry that knows when it was made. */
function makeEntry(size: number): Uint8Array<ArrayBuffer> {
  const entry = new Uint8Array(size);
  new DataView(entry.buffer).setFloat64(0, performance.now());
  return entry;
}

/** Milliseconds since `data` was made. */
const ageOf = (data: Uint8Array) =>
  performance.now() - new DataView(data.buffer, data.byteOffset, STAMP_BYTES).getFloat64(0);

/** What came back, until `stop`. */
class Receiver {
  readonly ages: number[] = [];
  readonly #stop = new AbortController();
  readonly #done: Promise<void>;
  #open: () => void = () => {};
  /** Resolves when it is connected. */
  readonly opened = new Promise<void>((resolve) => {
    this.#open = resolve;
  });

  constructor(gate: Streamgate, sid: string, session: CommandSession) {
    session.signal.addEventListener('abort', () => this.#stop.abort(), { once: true });
    this.#done = this.#receive(gate, sid).finally(() => this.#open());
    // Told by `stop`.
    this.#done.catch(() => {});
  }

  async #receive(gate: Streamgate, sid: string): Promise<void> {
    const { signal } = this.#stop;
    const onState = ({ state }: { state: string }) => {
      if (state === 'open') this.#open();
    };
    for await (const { data } of gate.pull(sid, { reconnect: false, signal, onState }))
      this.ages.push(ageOf(data));
  }

  /** Waits for as many as were sent, for a while. @throws GatewayError where the pull failed */
  async stop(sent: number): Promise<void> {
    const deadline = performance.now() + LAST_MS;
    while (this.ages.length < sent && performance.now() < deadline && !this.#stop.signal.aborted) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    this.#stop.abort();
    await this.#done;
  }
}

interface Run {
  readonly sent: number;
  readonly seconds: number;
  /** Milliseconds from sending to receiving, sorted. */
  readonly ages: readonly number[];
}

/** @param rate entries a second; 0: as many as are acknowledged */
async function run(
  gate: Streamgate,
  sid: string,
  values: BenchValues,
  rate: number,
  session: CommandSession,
): Promise<Run> {
  const producer = gate.push(sid, { reconnect: false, maxInFlightBytes: IN_FLIGHT_BYTES });
  // Connecting is not what is measured.
  await producer.send(makeEntry(values.size));
  const sender = new EntrySender(producer);
  const receiver = new Receiver(gate, sid, session);
  await receiver.opened;
  const pace = new Pace(rate);
  const began = performance.now();
  const end = began + (values.duration / 2) * 1000;
  let sent = 0;
  try {
    for (; performance.now() < end && !session.signal.aborted; sent++) {
      await pace.wait(session.signal);
      await sender.send(makeEntry(values.size));
    }
  } finally {
    await sender.close();
  }
  const seconds = (performance.now() - began) / 1000;
  await receiver.stop(sent);
  return { sent, seconds, ages: receiver.ages.sort((a, b) => a - b) };
}

const percentile = (sorted: readonly number[], share: number) =>
  sorted[Math.min(Math.floor(sorted.length * share), sorted.length - 1)];

const formatMs = (ms: number | undefined) => (ms === undefined ? 'none came' : `${ms.toPrecision(3)} ms`);

function formatThroughput({ sent, seconds, ages }: Run, size: number): string {
  const speed = `${Math.round(sent / seconds)} messages/s, ${((sent * size) / seconds / 1e6).toPrecision(3)} MB/s`;
  const lost = sent - ages.length;
  const pulled =
    lost === 0 ? 'all pulled meanwhile' : `${ages.length} pulled meanwhile, ${lost} trimmed before`;
  return `push, acknowledged   ${speed} (${sent} in ${seconds.toFixed(1)} s; ${pulled})`;
}

const formatLatency = ({ sent, ages }: Run, rate: number) =>
  `push to pull         p50 ${formatMs(percentile(ages, 0.5))}, p99 ${formatMs(percentile(ages, 0.99))} ` +
  `(${ages.length} of ${sent} entries, ${rate}/s)`;

async function bench(values: BenchValues): Promise<void> {
  await runSession(0, async (session) => {
    const gate = makeClient(values);
    const sid = `bench-${crypto.randomUUID().slice(0, 8)}`;
    process.stdout.write(
      `entries of ${formatBytes(values.size)}, one producer and one follower over WebSockets, for ` +
        `${values.duration} s, in the stream ${sid} at ${values.url}\n`,
    );
    try {
      process.stdout.write(`${formatThroughput(await run(gate, sid, values, 0, session), values.size)}\n`);
      if (session.signal.aborted) return;
      process.stdout.write(
        `${formatLatency(await run(gate, sid, values, values.rate, session), values.rate)}\n`,
      );
    } finally {
      await removeStream(gate, sid, values);
    }
  });
}

/** Needs the right to delete; without it the stream stays, small as it is. */
async function removeStream(
  gate: Streamgate,
  sid: string,
  { device, prefix = '' }: BenchValues,
): Promise<void> {
  const query =
    'mutation ($id: String!, $device: String!) { deleteStream(streamId: $id, deviceId: $device) }';
  try {
    await gate.graphql(query, { id: prefix + sid, device: device ?? 'default' });
  } catch (error) {
    // Told already, and then there may be no stream.
    if (error instanceof GatewayError && error.mayPass) return;
    process.stderr.write(
      `the stream ${sid} stays: ${error instanceof Error ? error.message : String(error)}\n`,
    );
  }
}

function within(parse: (text: string) => number, least: number, most: number) {
  return argument((text) => {
    const number = parse(text);
    if (!(number >= least && number <= most))
      throw new Error(`It must be a number from ${least} to ${most}.`);
    return number;
  });
}

export function addBenchCommand(program: Command): void {
  addTargetOptions(program.command('bench'))
    .description('measure how fast the gateway takes entries and hands them on')
    .option('--duration <seconds>', 'for how long', within(parseNumber, 0.1, MOST_SECONDS), 6)
    .option('--size <bytes>', 'bytes an entry', within(parseWholeNumber, STAMP_BYTES, MOST_BYTES), 1000)
    .option(
      '--rate <n>',
      'entries a second while the latency is measured',
      within(parseNumber, 1, 10_000),
      200,
    )
    .action(bench);
}
