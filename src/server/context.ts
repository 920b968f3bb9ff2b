/** What every endpoint is given: the gateway's parts and its settings. */
import type { Redis } from 'ioredis';
import type { AccessControl } from '../access/access-control.js';
import type { Config } from '../config.js';
import type { Logger } from '../logger.js';
import type { AppendPipes } from '../redis/append/pipes.js';
import type { ClusterWatch } from '../redis/cluster-watch.js';
import type { DurabilityWatch } from '../redis/durability.js';
import type { Hub } from '../streams/hub.js';
import type { RangeReads } from '../streams/range-reads.js';
import type { Threads } from '../streams/threads.js';
import type { ServerCounters } from './counters.js';
import type { ClientShares } from './limits/client-shares.js';
import type { ConnectionLimits } from './limits/connection-limits.js';
import type { FirstMessages } from './limits/first-messages.js';
import type { HeldBytes } from './limits/held-bytes.js';
import type { HostCheck } from './limits/host-check.js';
import type { OriginPolicy } from './limits/origins.js';
import type { ReceivedMessages } from './limits/received-messages.js';
import type { WaitingReads } from './limits/waiting-reads.js';
import type { BorrowedCork } from './sockets/borrowed-cork.js';
import type { ClientSocket } from './sockets/client-socket.js';
import type { Underway } from './underway.js';

export interface GatewayContext {
  readonly config: Config;
  readonly logger: Logger;
  readonly control: Redis;
  readonly pipes: AppendPipes;
  readonly cluster: ClusterWatch;
  readonly durability: DurabilityWatch;
  readonly hub: Hub;
  readonly threads: Threads;
  readonly ranges: RangeReads;
  readonly access: AccessControl;
  readonly origins: OriginPolicy;
  readonly hosts: HostCheck;
  readonly connections: ConnectionLimits;
  /** Bodies that are being received. */
  readonly bodies: HeldBytes;
  readonly waitingReads: WaitingReads;
  /** Answers that clients have not read to their end. */
  readonly unread: HeldBytes;
  /** Of the streams that are followed. */
  readonly streamShares: ClientShares;
  /** Of the bytes that wait for Redis. */
  readonly appendShares: ClientShares;
  /** GraphQL sockets before their first message. */
  readonly firstMessages: FirstMessages;
  /** What the library holds of messages that WebSockets send. */
  readonly receivedMessages: ReceivedMessages;
  readonly borrowedCork: BorrowedCork;
  readonly counters: ServerCounters;
  /** The live WebSockets. */
  readonly sockets: Set<ClientSocket>;
  /** Requests without their whole answer. */
  readonly underway: Underway;
  /** Aborted once the gateway is going down: what is new is refused, what waits is answered. */
  readonly stopping: AbortController;
}
