/** What pushing is measured on: one Redis, and in front of it ours, the ceilings and the peers. */
import { startGatewayProcess } from '../../test/support/gateway-process.js';
import { startRedis } from '../../test/support/redis-server.js';
import type { RawXaddTask, XaddTimes } from '../ceilings/raw-xadd.js';
import { benchmarkCommand } from '../ceilings/redis-benchmark.js';
import { entriesAdded, whenAdded } from '../entries-added.js';
import { openJetStream } from '../load/jetstream.js';
import { HEADER_OF, type MessageShape } from '../load/messages.js';
import type { ProducerTask, ProducerTimes } from '../load/producer.js';
import type { Started } from '../opening.js';
import { startNats } from '../peers/nats.js';
import type { PlainGatewayTask } from '../peers/plain-gateway.js';
import { startProgram } from '../programs.js';
import { type Costed, type SideCost, withCost } from '../side.js';

export interface PushLoad {
  readonly bytes: number;
  /** The stream is trimmed to about so many entries, by all alike. */
  readonly maxLength: number;
  readonly connections: number;
  /** Messages of a connection that may wait for their ack; 0: without acks, as small ones are pushed. */
  readonly window: number;
  /** Where an entry is when it is acknowledged: in a server's memory, or written to its file. */
  readonly storage: 'memory' | 'file';
}

export interface Pushed extends SideCost {
  /** Entries a second. */
  readonly rate: number;
}

/** Pushes at least so many entries, and sees to it that Redis got them all. */
export type Push = (entries: number) => Promise<Pushed>;

/** Measures one after the other. */
export async function measureAll(measures: readonly (() => Promise<Pushed>)[]): Promise<Costed<Pushed>[]> {
  const pushed: Costed<Pushed>[] = [];
  for (const measure of measures) {
    const result = await measure();
    pushed.push({ ...result, result });
  }
  return pushed;
}

export interface PushBed {
  ours(shape: MessageShape): Push;
  readonly plainGateway: Push;
  /** A message of so many entries is a frame with a PUB for each. */
  nats(program: string, shape: MessageShape): Promise<Push>;
  readonly rawXadd: Push;
  readonly redisBenchmark: Push;
}

/** Each command is written to the file before it is answered, and the disk has it a second later. */
const IN_A_FILE = ['--appendonly', 'yes', '--appendfsync', 'everysec', '--auto-aof-rewrite-percentage', '0'];
const NATS_STREAM = 'BENCH';
const NATS_SUBJECT = 'bench.data';
const SID = 'bench';
const KEY = `default:${SID}`;
const PIPELINE = 64;
/** Share of a core from which on the load may be what limits the figure. */
const BUSY = 0.9;
const WARM_SECONDS = 0.7;

/** Not while warming up, when compiling takes most of it. */
function warnIfBusy(what: string, { load, seconds }: ProducerTimes | XaddTimes): void {
  if (load > BUSY && seconds > WARM_SECONDS)
    console.error(`  ${what} used ${Math.round(load * 100)} % of a core: it may be the limit`);
}

export async function openPushBed(
  { bytes, maxLength, connections, window, storage }: PushLoad,
  started: Started,
  main?: string,
): Promise<PushBed> {
  const redis = started.add(await startRedis(...(storage === 'file' ? IN_A_FILE : [])));
  const store = redis.process.pid!;
  // All producers come from one address, and may fill the whole queue.
  const settings = { REDIS_URL: redis.url, REDIS_STREAM_MAXLEN: String(maxLength), MAX_CLIENT_SHARE: '100' };
  const gateway = started.add(await startGatewayProcess(settings, [], main));
  const plainTask: PlainGatewayTask = { redisPath: redis.path, maxLength };
  const plain = started.add(startProgram('peers/plain-gateway', plainTask));
  const plainPort = Number(await plain.says('port'));
  const messagesEach = (entries: number, perMessage: number) => Math.ceil(entries / perMessage / connections);

  /** Nothing may be missing; then the stream makes way for the next. */
  const settle = async (entries: number) => {
    const added = await entriesAdded(redis.client, KEY);
    if (added < entries) throw new Error(`${added} of ${entries} entries were stored`);
    await redis.client.del(KEY);
  };

  /** Runs a producer until it is done, or until `whenDone` is. @returns entries a second */
  const produce = async (task: ProducerTask, total: number, whenDone?: () => Promise<void>) => {
    const producer = startProgram('load/producer', task);
    try {
      await producer.says('ready');
      const start = performance.now();
      const [sent] = await Promise.all([producer.says(whenDone ? 'sent' : 'done'), whenDone?.()]);
      const times = JSON.parse(sent) as ProducerTimes;
      warnIfBusy('the producer', times);
      return total / (whenDone ? (performance.now() - start) / 1000 : times.seconds);
    } finally {
      await producer.stop();
    }
  };

  const through = (port: number, pid: number, shape: MessageShape): Push => {
    const header = HEADER_OF[shape.framing];
    return async (entries) => {
      const messages = messagesEach(entries, shape.entries);
      const total = messages * connections * shape.entries;
      const path = `/data/${SID}/push?header=${header}&ack=${window > 0 ? 1 : 0}`;
      const task: ProducerTask = { ...shape, port, path, connections, messages, window };
      const whenDone = window > 0 ? undefined : () => whenAdded(redis.client, KEY, total);
      const { result, ...cost } = await withCost(
        { pid, others: [store] },
        () => produce(task, total, whenDone),
        () => total,
      );
      await settle(total);
      return { rate: result, ...cost };
    };
  };

  return {
    ours: (shape) => through(gateway.port, gateway.process.pid!, shape),
    plainGateway: through(plainPort, plain.process.pid!, { framing: 'raw', entries: 1, bytes }),
    nats: async (program, shape) => {
      const nats = started.add(await startNats(program));
      const control = started.add(await openJetStream(nats.port));
      return async (entries) => {
        const messages = messagesEach(entries, shape.entries);
        const total = messages * connections * shape.entries;
        await control.create(NATS_STREAM, NATS_SUBJECT, storage, maxLength);
        const task: ProducerTask = {
          ...shape,
          port: nats.port,
          path: '/',
          subject: NATS_SUBJECT,
          connections,
          messages,
          window,
        };
        const { result, ...cost } = await withCost(
          { pid: nats.pid, others: [] },
          () => produce(task, total),
          () => total,
        );
        const stored = await control.stored(NATS_STREAM);
        if (stored !== total) throw new Error(`NATS stored ${stored} of ${total} entries`);
        return { rate: result, ...cost };
      };
    },
    rawXadd: async (entries) => {
      const messages = messagesEach(entries, 1);
      const task: RawXaddTask = { path: redis.path, key: KEY, maxLength, bytes, connections, messages };
      const ceiling = startProgram('ceilings/raw-xadd', task);
      const total = messages * connections;
      try {
        const { result, ...cost } = await withCost(
          { pid: store, others: [] },
          async () => JSON.parse(await ceiling.says('done')) as XaddTimes,
          () => total,
        );
        warnIfBusy('the raw XADD', result);
        await settle(total);
        return { rate: total / result.seconds, ...cost };
      } finally {
        await ceiling.stop();
      }
    },
    redisBenchmark: async (entries) => {
      const { result, ...cost } = await withCost(
        { pid: store, others: [] },
        () =>
          benchmarkCommand({
            socketPath: redis.path,
            clients: connections,
            pipeline: PIPELINE,
            commands: entries,
            command: ['XADD', KEY, 'MAXLEN', '~', String(maxLength), '*', 'd', 'x'.repeat(bytes)],
          }),
        () => entries,
      );
      await settle(entries);
      return { rate: result, ...cost };
    },
  };
}
