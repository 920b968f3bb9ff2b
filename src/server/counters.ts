/** What the endpoints count: plain numbers, so that counting costs an addition. `metrics.ts` tells them. */
import { FAILURES, type Failure, type FailureCode } from '../errors.js';
import type { FollowerCounters } from '../streams/followed-stream.js';

/** Where clients hold a connection open; `events` are GraphQL's server-sent events. */
export type ConnectionEndpoint = 'push' | 'pull' | 'graphql' | 'events';

export interface Traffic {
  entries: number;
  bytes: number;
}

export class ServerCounters {
  /** Open now. */
  readonly connections: Record<ConnectionEndpoint, number> = { push: 0, pull: 0, graphql: 0, events: 0 };
  /** Opened since the start. */
  readonly connectionsOpened: Record<ConnectionEndpoint, number> = {
    push: 0,
    pull: 0,
    graphql: 0,
    events: 0,
  };
  /** Closed since their clients did not read on. */
  readonly slowCloses: Record<ConnectionEndpoint, number> = { push: 0, pull: 0, graphql: 0, events: 0 };
  /** Entries stored, and bytes taken. */
  readonly in: { readonly push: Traffic; readonly post: Traffic } = { push: traffic(), post: traffic() };
  /** What clients were sent. */
  readonly out: {
    readonly pull: FollowerCounters;
    readonly get: Traffic;
    readonly graphql: FollowerCounters;
  } = { pull: followed(), get: traffic(), graphql: followed() };
  /** Entries that were not stored, and why. */
  readonly entriesRefused = byCode();
  /** Requests that were answered with a failure, and connections that ended with one. */
  readonly failures = byCode();
  readonly graphqlOperations = { query: 0, mutation: 0, subscription: 0 };

  opened(endpoint: ConnectionEndpoint): void {
    this.connections[endpoint]++;
    this.connectionsOpened[endpoint]++;
  }

  closed(endpoint: ConnectionEndpoint): void {
    this.connections[endpoint]--;
  }

  refuse(failure: Failure, entries = 1): void {
    this.entriesRefused[failure.code] += entries;
  }
}

const traffic = (): Traffic => ({ entries: 0, bytes: 0 });
const followed = (): FollowerCounters => ({
  followers: new Set(),
  entries: 0,
  bytes: 0,
  skipped: 0,
  trimmed: 0,
});

function byCode(): Record<FailureCode, number> {
  return Object.fromEntries(Object.keys(FAILURES).map((code) => [code, 0])) as Record<FailureCode, number>;
}
