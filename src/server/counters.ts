/** What the endpoints count: plain numbers, so that counting costs an addition. `metrics.ts` tells them. */

import { type FollowerCounters, followerCounters } from '../follow/follower-context.js';
import { FAILURES, type Failure, type FailureCode } from '../protocol/errors.js';

/** Where clients hold a connection open; `graphql_events` are GraphQL's server-sent events. */
const CONNECTION_ENDPOINTS = [
  'push',
  'pull',
  'mjpeg',
  'events',
  'overview',
  'graphql',
  'graphql_events',
] as const;
export type ConnectionEndpoint = (typeof CONNECTION_ENDPOINTS)[number];

export interface Traffic {
  entries: number;
  bytes: number;
}

export class ServerCounters {
  /** Open now. */
  readonly connections = byEndpoint();
  /** Opened since the start. */
  readonly connectionsOpened = byEndpoint();
  /** Closed since their clients did not read on. */
  readonly slowCloses = byEndpoint();
  /** Entries stored, and bytes taken. */
  readonly in: { readonly push: Traffic; readonly post: Traffic } = { push: traffic(), post: traffic() };
  /** What clients were sent. */
  readonly out = {
    pull: followerCounters(),
    get: traffic(),
    latest: traffic(),
    mjpeg: followerCounters(),
    events: followerCounters(),
    graphql: followerCounters(),
  };
  /** Entries that were not stored, and why. */
  readonly entriesRefused = byCode();
  /** Requests that were answered with a failure, and connections that ended with one. */
  readonly failures = byCode();
  readonly graphqlOperations = { query: 0, mutation: 0, subscription: 0 };

  /** What followers did, wherever they are. */
  get followed(): readonly FollowerCounters[] {
    const { pull, mjpeg, events, graphql } = this.out;
    return [pull, mjpeg, events, graphql];
  }

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

function byEndpoint(): Record<ConnectionEndpoint, number> {
  const numbers = Object.fromEntries(CONNECTION_ENDPOINTS.map((endpoint) => [endpoint, 0]));
  return numbers as Record<ConnectionEndpoint, number>;
}

function byCode(): Record<FailureCode, number> {
  return Object.fromEntries(Object.keys(FAILURES).map((code) => [code, 0])) as Record<FailureCode, number>;
}
