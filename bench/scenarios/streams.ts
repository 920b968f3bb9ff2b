/**
 * Many streams with a follower each: what a message a second in every one of them costs the gateway's
 * process, and how long the messages take, from the writing of the XADD to the follower's socket.
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
  /** That one measurement lasts. */
  readonly seconds: number;
  /** At most so much of one core, in percent. */
  readonly cpuLimit: number;
  /** In milliseconds, of the 99th percentile. */
  readonly lagLimit: number;
}

const LEAST_SECONDS = 2;
const SID = 's';

function figures({ streams, cpuLimit, lagLimit }: StreamsCase): FigureSpec[] {
  const figure = (name: string, unit: string, limit: number): FigureSpec => ({
    name: `${streams} streams at 1/s each: ${name}`,
    unit,
    better: 'less',
    rivals: [],
    limit,
  });
  return [figure('CPU of the gateway', '% of a core', cpuLimit), figure('lag p99', 'ms', lagLimit)];
}

function streamsScenario(streamsCase: StreamsCase): Scenario {
  const { streams, seconds } = streamsCase;
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
          rate: streams,
        };
        const writer = started.add(startProgram('load/stamped-writer', write));
        const measure = async (duration: number) => {
          const cpuBefore = await cpuSeconds(gateway.process.pid!);
          const start = performance.now();
          writer.tell(String(duration));
          followers.tell(await writer.says('wrote'));
          const { p99 } = JSON.parse(await followers.says('lag')) as Lag;
          const cpu = (await cpuSeconds(gateway.process.pid!)) - cpuBefore;
          return [(cpu * 100_000) / (performance.now() - start), p99];
        };
        await writer.says('ready');
        await followers.says('ready');
        // Until the gateway's code is compiled and every stream has had an entry.
        await measure(1);
        return async () => {
          const values = await measure(Math.max(LEAST_SECONDS, seconds * scale));
          return specs.map((_, index) => ({ ours: values[index]!, rivals: [] }));
        };
      }),
  };
}

export const STREAMS_SCENARIOS: readonly Scenario[] = [
  { streams: 100, seconds: 2, cpuLimit: 10, lagLimit: 5 },
  { streams: 10_000, seconds: 5, cpuLimit: 60, lagLimit: 50 },
].map(streamsScenario);
