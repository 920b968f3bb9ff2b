/** What there is, as the gateway's `GET /overview` tells it. */

export interface DeviceOverview {
  readonly id: string;
  readonly connected: boolean;
}

export interface StreamOverview {
  readonly key: string;
  /** null: the key names none. */
  readonly device: string | null;
  readonly sid: string;
  readonly length: number;
  readonly entriesAdded: number;
  readonly lastEntryId: string;
  readonly lastEntryBytes: number;
  readonly followers: number;
}

export interface Overview {
  /** The gateway's clock, in milliseconds since 1970. */
  readonly at: number;
  readonly devices: readonly DeviceOverview[];
  readonly streams: readonly StreamOverview[];
  /** Streams that there are besides, and that are not told of. */
  readonly omitted: number;
}
