/** What every endpoint is given: the gateway's parts and its settings. */
import type { AccessControl } from '../access/access-control.js';
import type { DurabilityWatch } from '../append/durability.js';
import type { AppendPipes } from '../append/pipes.js';
import type { Config } from '../config/settings.js';
import type { Hub } from '../follow/live/hub.js';
import type { RangeReads } from '../reads/range-reads.js';
import type { ClusterWatch } from '../redis/cluster-watch.js';
import type { Control } from '../redis/control.js';
import type { Siblings } from '../supervisor/siblings.js';
import type { Logger } from '../system/logger.js';
import type { Describes } from '../threads/describes.js';
import type { Threads } from '../threads/threads.js';
import type { Admission } from './admission/admission.js';
import type { ClientShares } from './admission/client-shares.js';
import type { ConnectionLimits } from './admission/connection-limits.js';
import type { FirstMessages } from './admission/first-messages.js';
import type { HeldBytes } from './admission/held-bytes.js';
import type { HostCheck } from './admission/host-check.js';
import type { OriginPolicy } from './admission/origins.js';
import type { ReceivedMessages } from './admission/received-messages.js';
import type { WaitingReads } from './admission/waiting-reads.js';
import type { ServerCounters } from './counters.js';
import type { BorrowedCork } from './sockets/borrowed-cork.js';
import type { ClientSocket } from './sockets/client-socket.js';
import type { Underway } from './underway.js';

export interface GatewayContext {
  readonly config: Config;
  readonly logger: Logger;
  readonly control: Control;
  readonly pipes: AppendPipes;
  readonly cluster: ClusterWatch;
  readonly durability: DurabilityWatch;
  readonly hub: Hub;
  readonly threads: Threads;
  readonly ranges: RangeReads;
  readonly describes: Describes;
  readonly access: AccessControl;
  readonly admission: Admission;
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
  /** The other workers; undefined where the gateway is one process. */
  readonly siblings: Siblings | undefined;
  readonly counters: ServerCounters;
  /** The live WebSockets. */
  readonly sockets: Set<ClientSocket>;
  /** Requests without their whole answer. */
  readonly underway: Underway;
  /** Aborted once the gateway is going down: what is new is refused, what waits is answered. */
  readonly stopping: AbortController;
}
