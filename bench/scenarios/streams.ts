/**
 * Many streams with a follower each: what a message a second, in every one of them or in all together, costs
 * the gateway's process and Redis, and how long the messages take, from the writing of the XADD to the
 * follower's socket.
 */
import { startGatewayProcess } from '../../test/support/gateway-process.js';
import { startRedis } from '../../test/support/redis-server.js';
import { checkOpenFiles, ROOM_FOR_MANY } from '../load/many-sockets.js';
import type { Lag, StampedFollowersTask } from '../load/stamped-followers.js';
import type { StampedWriterTask } from '../load/stamped-writer.js';
import { opening } from '../opening.js';
import { cpuSeconds, startProgram } from '../programs.js';
import type { FigureSpec, Scenario } from '../scenario.js';

interface StreamsCase {
  readonly streams: number;
  /** A second, over all streams. */
  readonly messages: number;
  /** That one measurement lasts. */
  readonly seconds: number;
  /** At most so much of one core, in percent. */
  readonly cpuLimit: number;
  readonly redisLimit: number;
  /** In milliseconds, of the median and of the 99th percentile. */
  readonly medianLimit: number;
  readonly lagLimit: number;
}

const LEAST_SECONDS = 2;
const SID = 's';

function figures({
  streams,
  messages,
  cpuLimit,
  redisLimit,
  medianLimit,
  lagLimit,
}: StreamsCase): FigureSpec[] {
  const rate = messages === streams ? '1/s each' : `${messages}/s in all`;
  const figure = (name: string, unit: string, limit: number): FigureSpec => ({
    name: `${streams} streams at ${rate}: ${name}`,
    unit,
    better: 'less',
    rivals: [],
    limit,
  });
  return [
    figure('CPU of the gateway', '% of a core', cpuLimit),
    figure('CPU of Redis', '% of a core', redisLimit),
    figure('lag p50', 'ms', medianLimit),
    figure('lag p99', 'ms', lagLimit),
  ];
}

function streamsScenario(streamsCase: StreamsCase): Scenario {
  const { streams, messages, seconds } = streamsCase;
  const specs = figures(streamsCase);
  return {
    scope: 'streams',
    figures: specs,
    open: ({ scale, main }) =>
      opening(async (started) => {
        checkOpenFiles(streams);
        const redis = started.add(await startRedis());
        const gateway = started.add(
          await startGatewayProcess({ REDIS_URL: redis.url, ...ROOM_FOR_MANY }, [], main),
        );
        const follow: StampedFollowersTask = { port: gateway.port, sid: SID, streams };
        const followers = started.add(startProgram('load/stamped-followers', follow));
        const write: StampedWriterTask = {
          socketPath: redis.path,
          key: `default:${SID}`,
          streams,
          rate: messages,
        };
        const writer = started.add(startProgram('load/stamped-writer', write));
        const processes = [gateway.process.pid!, redis.process.pid!];
        const spent = () => Promise.all(processes.map((pid) => cpuSeconds(pid)));
        const measure = async (duration: number, rate: number) => {
          const before = await spent();
          const start = performance.now();
          writer.tell(`${duration} ${rate}`);
          followers.tell(await writer.says('wrote'));
          const { p50, p99 } = JSON.parse(await followers.says('lag')) as Lag;
          const milliseconds = performance.now() - start;
          const after = await spent();
          const shares = after.map((cpu, index) => ((cpu - before[index]!) * 100_000) / milliseconds);
          return [...shares, p50, p99];
        };
        await writer.says('ready');
        await followers.says('ready');
        // Until the gateway's code is compiled and every stream has had an entry.
        await measure(1, streams);
        return async () => {
          const values = await measure(Math.max(LEAST_SECONDS, seconds * scale), messages);
          return specs.map((_, index) => ({ ours: values[index]!, rivals: [] }));
        };
      }),
  };
}

const FEW = { streams: 100, messages: 100, seconds: 2 };
const MANY = { streams: 10_000, messages: 10_000, seconds: 5 };
/** Seldom enough that each is read by itself, and often enough for a percentile. */
const SPARSE = { streams: 10_000, messages: 1, seconds: 10 };

export const STREAMS_SCENARIOS: readonly Scenario[] = [
  { ...FEW, cpuLimit: 10, redisLimit: 5, medianLimit: 2, lagLimit: 5 },
  { ...MANY, cpuLimit: 60, redisLimit: 18, medianLimit: 1.5, lagLimit: 15 },
  { ...SPARSE, cpuLimit: 3, redisLimit: 3, medianLimit: 5, lagLimit: 20 },
].map(streamsScenario);
