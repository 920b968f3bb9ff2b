/**
 * REST: requests a second of connections that have one under way each, beside the Redis command that the
 * request stands for, on as many connections, and Webdis where the PATH has it. The requests are made by
 * wrk where the PATH has that, else by autocannon.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { type GatewayProcess, startGatewayProcess } from '../../test/support/gateway-process.js';
import { startRedis, type TestRedis } from '../../test/support/redis-server.js';
import { benchmarkCommand } from '../ceilings/redis-benchmark.js';
import { entriesAdded } from '../entries-added.js';
import { HTTP_LOAD_TOOL, type HttpRequest, loadHttp } from '../load/http-load.js';
import type { StampedWriterTask } from '../load/stamped-writer.js';
import { opening } from '../opening.js';
import { findWebdis, startWebdis, type Webdis } from '../peers/webdis.js';
import { startProgram } from '../programs.js';
import type { FigureSpec, Rival, Round, Scenario } from '../scenario.js';
import { roundOf, withCost } from '../side.js';
import * as rest from './rest-requests.js';

const SECONDS = 1;
/** About what redis-benchmark does in that time. */
const COMMANDS = 60_000;
/** Entries a second by which those that wait are answered, all of them by each. */
const FED_RATE = 1000;
const FED_COMMANDS = 25_000;
/** How long Webdis may take until it answers. */
const WEBDIS_MS = 5000;
const POLL_MS = 50;

interface Bed {
  readonly redis: TestRedis;
  readonly gateway: GatewayProcess;
  readonly webdis: Webdis | undefined;
  readonly scale: number;
}

const webdisProgram = await findWebdis();

function figureOf(comparison: rest.Comparison): FigureSpec {
  const { name, connections, webdis, webdisTarget, commandTarget, isFed } = comparison;
  const command = comparison.command.slice(0, isFed ? 2 : 1).join(' ');
  const label = `redis-benchmark ${command}, ${connections} clients`;
  // What autocannon asks of Webdis is more than it can do itself: that would be no comparison.
  const isFair = HTTP_LOAD_TOOL === 'wrk' && webdisTarget !== undefined;
  const peer: Rival = {
    label: HTTP_LOAD_TOOL === 'wrk' ? 'Webdis' : 'Webdis, as far as autocannon can tell',
    kind: 'peer',
    ...(isFair && { target: webdisTarget }),
  };
  const hasPeer = webdisProgram !== undefined && webdis.length > 0;
  return {
    name,
    unit: 'requests/s',
    better: 'more',
    rivals: [{ label, kind: 'ceiling', target: commandTarget }, ...(hasPeer ? [peer] : [])],
  };
}

/** @returns answers a second, how many they were, and how many told of an entry that was not stored */
async function load(
  redis: Redis,
  port: number,
  connections: number,
  request: HttpRequest,
  storedIn?: string,
): Promise<{ rate: number; answered: number; missing: number }> {
  const before = storedIn === undefined ? 0 : await entriesAdded(redis, storedIn);
  const result = await loadHttp({ ...request, port, connections, seconds: SECONDS });
  const stored = storedIn === undefined ? result.answered : (await entriesAdded(redis, storedIn)) - before;
  return { ...result, missing: Math.max(0, result.answered - stored) };
}

/** What Webdis is to be asked, among what would do. Each of its threads connects to Redis by itself, in its time. */
async function choose(webdis: Webdis, requests: readonly HttpRequest[]): Promise<HttpRequest> {
  let answer = '';
  for (const deadline = performance.now() + WEBDIS_MS; performance.now() < deadline; await delay(POLL_MS)) {
    for (const request of requests) {
      if (request.body !== undefined) return request;
      answer = await webdis.ask(request.path);
      if (answer.includes(rest.PAYLOAD)) return request;
    }
  }
  throw new Error(`Webdis answers none of its requests with the entry, but '${answer.slice(0, 100)}'`);
}

/** Ours, the command and Webdis, one after the other. */
async function compare(bed: Bed, comparison: rest.Comparison): Promise<Round> {
  const { redis, gateway, webdis, scale } = bed;
  const { connections, ours, command, isFed, stored } = comparison;
  const store = redis.process.pid!;
  const through = await withCost(
    { pid: gateway.process.pid!, others: [store] },
    () => load(redis.client, gateway.port, connections, ours, stored?.[0]),
    ({ answered }) => answered,
  );
  const { answered, missing } = through.result;
  if (missing > 0) throw new Error(`${answered} were answered, of which ${missing} were not stored`);
  const commands = Math.round((isFed ? FED_COMMANDS : COMMANDS) * scale);
  const direct = await withCost(
    { pid: store, others: [] },
    async () => {
      const rate = await benchmarkCommand({
        socketPath: redis.path,
        clients: connections,
        commands,
        command,
      });
      return { rate, answered: commands, missing: 0 };
    },
    () => commands,
  );
  const rivals = [direct];
  if (webdis !== undefined && comparison.webdis.length > 0) {
    const request = await choose(webdis, comparison.webdis);
    rivals.push(
      await withCost(
        { pid: webdis.pid, others: [store] },
        () => load(redis.client, webdis.port, connections, request, stored?.[1]),
        (peer) => peer.answered,
      ),
    );
  }
  // Now and then Webdis reports an entry that was not stored, which does not count.
  return roundOf(
    through,
    rivals,
    (result) => (result.rate * (result.answered - result.missing)) / result.answered,
  );
}

/** Writes to the stream that is waited for as long as `run` takes. */
async function fed<T>({ redis }: Bed, run: () => Promise<T>): Promise<T> {
  const writer = startProgram('load/stamped-writer', {
    socketPath: redis.path,
    key: rest.WAITED_KEY,
    streams: 1,
    rate: FED_RATE,
  } satisfies StampedWriterTask);
  try {
    await writer.says('ready');
    writer.tell('60');
    return await run();
  } finally {
    await writer.stop();
  }
}

async function prepare({ redis, gateway }: Bed): Promise<void> {
  const { client } = redis;
  const pipeline = client.pipeline();
  for (let index = 0; index < rest.READ_ENTRIES; index++) {
    pipeline.xadd(rest.READ_KEY, rest.readId(index), 'd', rest.PAYLOAD);
  }
  pipeline.script('LOAD', rest.NEWEST_SCRIPT);
  await pipeline.exec();
  // Until the gateway's code is compiled.
  for (const { ours, connections, isFed } of rest.COMPARISONS) {
    if (!isFed) await load(client, gateway.port, connections, ours);
  }
}

const REST_SCENARIO: Scenario = {
  scope: 'rest',
  figures: rest.COMPARISONS.map(figureOf),
  open: ({ scale, main }) =>
    opening(async (started) => {
      const redis = started.add(await startRedis());
      const gateway = started.add(await startGatewayProcess({ REDIS_URL: redis.url }, [], main));
      const webdis =
        webdisProgram === undefined ? undefined : started.add(await startWebdis(webdisProgram, redis.path));
      const bed: Bed = { redis, gateway, webdis, scale };
      await prepare(bed);
      return async () => {
        const rounds: Round[] = [];
        for (const comparison of rest.COMPARISONS) {
          const run = () => compare(bed, comparison);
          rounds.push(await (comparison.isFed ? fed(bed, run) : run()));
        }
        return rounds;
      };
    }),
};

export const REST_SCENARIOS: readonly Scenario[] = [REST_SCENARIO];
