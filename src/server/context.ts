/** What every endpoint is given: the gateway's parts and its settings. */
import type { Redis } from 'ioredis';
import type { Config } from '../config.js';
import type { Logger } from '../logger.js';
import type { AppendPipes } from '../redis/append-pipes.js';
import type { AppendStreams } from '../redis/append-streams.js';
import type { FollowerCounters } from '../streams/followed-stream.js';
import type { Hub } from '../streams/hub.js';
import type { RangeReads } from '../streams/range-reads.js';
import type { Threads } from '../streams/threads.js';
import type { BorrowedCork } from './borrowed-cork.js';
import type { ClientSocket } from './client-socket.js';
import type { OriginPolicy } from './origins.js';

/** What endpoints count for the metrics. */
export interface ServerCounters {
  pushConnections: number;
  pullConnections: number;
  entriesIn: number;
  bytesIn: number;
  entriesRefused: number;
  readonly followers: FollowerCounters;
}

export interface GatewayContext {
  readonly config: Config;
  readonly logger: Logger;
  readonly control: Redis;
  readonly pipes: AppendPipes;
  readonly appendStreams: AppendStreams;
  readonly hub: Hub;
  readonly threads: Threads;
  readonly ranges: RangeReads;
  readonly origins: OriginPolicy;
  readonly borrowedCork: BorrowedCork;
  readonly counters: ServerCounters;
  /** The live WebSockets. */
  readonly sockets: Set<ClientSocket>;
  /** Aborted once the gateway is going down: what is new is refused, what waits is answered. */
  readonly stopping: AbortController;
}
