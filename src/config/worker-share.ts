/** What each of several workers may use of the limits that are set for all. */
import type { Config } from './settings.js';

/** Connections of one address do not spread evenly. */
const SPARE_PER_ADDRESS = 4 / 3;

/** The settings of one worker, of as many as WORKERS says: those of one that is alone stay as they are. */
export function shareOf(config: Config): Config {
  const { WORKERS, MAX_BUFFERED_BYTES, MAX_PAYLOAD_BYTES, MAX_CLIENT_SHARE } = config;
  if (WORKERS === 1) return config;
  const part = (limit: number) => Math.ceil(limit / WORKERS);
  // One client must be able to send the largest message.
  const largestMessage = Math.ceil((MAX_PAYLOAD_BYTES * 100) / MAX_CLIENT_SHARE);
  return {
    ...config,
    MAX_BUFFERED_BYTES: Math.max(part(MAX_BUFFERED_BYTES), Math.min(MAX_BUFFERED_BYTES, largestMessage)),
    MAX_UNREAD_BYTES: part(config.MAX_UNREAD_BYTES),
    MAX_CONNECTIONS: part(config.MAX_CONNECTIONS),
    MAX_CONNECTIONS_PER_ADDRESS: part(config.MAX_CONNECTIONS_PER_ADDRESS * SPARE_PER_ADDRESS),
    MAX_WAITING_READS: part(config.MAX_WAITING_READS),
    MAX_FOLLOWED_STREAMS: part(config.MAX_FOLLOWED_STREAMS),
  };
}
