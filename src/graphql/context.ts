/** What resolvers are given: the gateway's parts, and what one request has loaded so far. */
import type { Grant } from '../access/grant.js';
import type { Rights } from '../access/rights.js';
import type { Devices } from '../catalog/devices.js';
import type { FollowerContext } from '../follow/follower-context.js';
import type { StreamPayer } from '../follow/live/hub-stream.js';
import { AnswerBudget } from '../protocol/answer-budget.js';
import type { Control } from '../redis/control.js';
import type { Logger } from '../system/logger.js';
import type { Describes } from '../threads/describes.js';
import { DeviceLoader } from './device-loader.js';
import type { EventSink } from './event-sink.js';
import { NameBudget } from './limits.js';
import { StreamLoader } from './stream-loader.js';

/** The parts, the same for all requests. */
export interface GraphqlParts extends FollowerContext {
  readonly control: Control;
  readonly describes: Describes;
  readonly devices: Devices;
  readonly logger: Logger;
  readonly devicePrefixing: boolean;
  readonly allowFlush: boolean;
}

/** A subscription that has not ended. */
export interface OpenSubscription {
  return(): Promise<unknown>;
}

/** A client that subscriptions are counted for. */
export interface Subscriber extends StreamPayer {
  /** @throws Failure `overloaded` where so many more streams would be too many for the client */
  check(more: number): void;
}

export interface GraphqlContext extends GraphqlParts {
  readonly payer: Subscriber | undefined;
  /** Where a subscription may send its results itself. */
  readonly sink: EventSink | undefined;
  readonly streamLoader: StreamLoader;
  readonly deviceLoader: DeviceLoader;
  /** Those that the request, or others of its connection, have made. */
  readonly subscriptions: Set<OpenSubscription>;
  /** The request's token: checked again before each field, since operations take their time. */
  readonly grant: Pick<Grant, 'check'>;
  /** What it allows. */
  readonly rights: Rights;
  readonly names: NameBudget;
  /** What the answer may hold. */
  readonly budget: AnswerBudget;
  /** Fields that failed so far. */
  readonly failures: { count: number };
}

/** A request's context: what it loads it loads once, and what is loaded together goes in one round trip. */
export function createContext(
  parts: GraphqlParts,
  grant: Grant,
  subscriptions: Set<OpenSubscription>,
  payer: Subscriber | undefined,
  sink: EventSink | undefined,
): GraphqlContext {
  const { rights } = grant;
  const budget = new AnswerBudget();
  // Named one by one: V8 defines each field behind a spread by a slow call.
  const { hub, threads, counters, control, describes, devices, logger, devicePrefixing, allowFlush } = parts;
  return {
    hub,
    threads,
    counters,
    control,
    describes,
    devices,
    logger,
    devicePrefixing,
    allowFlush,
    payer,
    sink,
    streamLoader: new StreamLoader(parts.control, parts.describes, rights, parts.devicePrefixing, budget),
    deviceLoader: new DeviceLoader(parts.devices, budget),
    subscriptions,
    grant,
    rights,
    names: new NameBudget(),
    budget,
    failures: { count: 0 },
  };
}
