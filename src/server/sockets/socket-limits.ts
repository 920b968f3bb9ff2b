/** What every WebSocket endpoint sets alike, and why. */

/** The library cuts a longer message without a close code; ours lies lower and says 1009. */
const MOST_OVER_LIMIT_BYTES = 1024 * 1024;
/** Seconds; the library pings before, so only a connection that is really gone is closed by it. */
const IDLE_SECONDS = 120;

export const socketLimits = (maxPayloadBytes: number) => ({
  maxPayloadLength: maxPayloadBytes + Math.min(maxPayloadBytes, MOST_OVER_LIMIT_BYTES),
  idleTimeout: IDLE_SECONDS,
  sendPingsAutomatically: true,
  // 0: nothing is ever dropped. What may wait is bounded by asking `getBufferedAmount` before sending.
  maxBackpressure: 0,
});
