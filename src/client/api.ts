/** What users of the package name besides the client itself: its errors, and the types of what goes in and out. */

export type { Overview } from '../protocol/overview.js';
export type { WebSocketConstructor } from './connection.js';
export type { ConnectionState, Reconnect } from './connection-state.js';
export type { Entry, Moment } from './entry.js';
export type { Gap } from './gap.js';
export { GatewayError } from './gateway-error.js';
export type { DeviceSummary, Meta, StreamSummary } from './graphql.js';
export type { PullOptions } from './pull.js';
export type { Producer, PushOptions, SendOptions } from './push.js';
export type { AppendOptions, Payload, ReadOptions, ReadResult } from './rest.js';
export type { StreamgateOptions } from './streamgate.js';
