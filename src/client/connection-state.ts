/** How a pull or push stands, for those who show it. */
import type { GatewayError } from './gateway-error.js';

export type ConnectionState =
  | { readonly state: 'connecting' }
  | { readonly state: 'open' }
  /** The connection failed or was lost, and is tried again after so long. */
  | { readonly state: 'waiting'; readonly error: GatewayError; readonly retryInMs: number };

export type StateListener = (state: ConnectionState) => void;

/**
 * Whether to come back by itself after a failure that may pass: `true`, always; `after-open`, once there was a
 * connection, so that a wrong address is told at once; `false`, never.
 */
export type Reconnect = boolean | 'after-open';
