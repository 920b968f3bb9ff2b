/** What `GET /overview` tells, as JSON: devices, and streams with how they stand. */

export interface DeviceOverview {
  readonly id: string;
  readonly connected: boolean;
}

export interface StreamOverview {
  /** As the client knows it. */
  readonly key: string;
  /** null where the key names none. */
  readonly device: string | null;
  readonly sid: string;
  readonly length: number;
  readonly entriesAdded: number;
  readonly lastEntryId: string;
  /** null where it is not known. */
  readonly lastEntryBytes: number | null;
  /** Clients that follow it by this gateway, at all its workers. */
  readonly followers: number;
}

export interface Overview {
  /** The gateway's clock, ms since 1970. */
  readonly at: number;
  readonly devices: readonly DeviceOverview[];
  /** The most recently written first. */
  readonly streams: readonly StreamOverview[];
  /** Streams that fit and are not told of. */
  readonly omitted: number;
  /** Masters of a Redis Cluster that are away, as `host:port`: what is told of their streams may be old. */
  readonly away?: readonly string[];
}
