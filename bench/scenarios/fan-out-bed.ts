/** A gateway and its peer on one Redis, each followed on a stream of its own every time. */
import { startGatewayProcess } from '../../test/support/gateway-process.js';
import { startRedis, type TestRedis } from '../../test/support/redis-server.js';
import type { FeedTask, FeedWindow } from '../load/feed.js';
import type { Started } from '../opening.js';
import type { PlainGatewayTask } from '../peers/plain-gateway.js';
import { startProgram } from '../programs.js';
import {
  type FanOutCase,
  type Followed,
  type FollowedServer,
  follow,
  peerWindowFor,
  streamName,
  type Timing,
  windowFor,
} from './fan-out-follow.js';

/** Of what is pushed, which is nothing here. */
const MAX_LENGTH = 1000;

type Server = Pick<FollowedServer, 'port' | 'side'>;

export class FanOutBed {
  readonly #redis: TestRedis;
  readonly #gateway: Server;
  readonly #peer: Server;
  #streams = 0;

  private constructor(redis: TestRedis, gateway: Server, peer: Server) {
    this.#redis = redis;
    this.#gateway = gateway;
    this.#peer = peer;
  }

  static async open(started: Started, main?: string): Promise<FanOutBed> {
    const redis = started.add(await startRedis());
    const gateway = started.add(await startGatewayProcess({ REDIS_URL: redis.url }, [], main));
    const task: PlainGatewayTask = { redisPath: redis.path, maxLength: MAX_LENGTH };
    const peer = started.add(startProgram('peers/plain-gateway', task));
    const others = [redis.process.pid!];
    return new FanOutBed(
      redis,
      { port: gateway.port, side: { pid: gateway.process.pid!, others } },
      { port: Number(await peer.says('port')), side: { pid: peer.process.pid!, others } },
    );
  }

  followGateway(fanOut: FanOutCase, timing: Timing): Promise<Followed> {
    return this.#follow(fanOut, this.#gateway, windowFor(fanOut), timing);
  }

  followPeer(fanOut: FanOutCase, timing: Timing): Promise<Followed> {
    return this.#follow(fanOut, this.#peer, peerWindowFor(fanOut), timing);
  }

  async #follow(fanOut: FanOutCase, server: Server, window: FeedWindow, timing: Timing): Promise<Followed> {
    const { header, count, bytes } = fanOut;
    const stream = streamName(this.#streams++);
    const path = `/data/${stream}/pull?header=${header}&count=${count}&block=0&last_entry_id=0`;
    const key = `default:${stream}`;
    const feed: FeedTask = { to: 'redis', socketPath: this.#redis.path, key, bytes, ...window };
    try {
      return await follow(fanOut, { ...server, path, feed }, timing);
    } finally {
      await this.#redis.client.unlink(key);
    }
  }
}
