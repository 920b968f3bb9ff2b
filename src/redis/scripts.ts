/** Lua that runs in Redis, where only there can a thing be done at once or without moving frames. */
import type { Redis } from 'ioredis';

/**
 * A stream's last generated id and the id of its first entry, without the entries that XINFO STREAM
 * brings along. A missing key is an empty stream; a key of another type is Redis' own error.
 *
 * KEYS[1] the stream. Replies {last-generated-id, first entry's id or ''}.
 */
export const TAIL_SCRIPT = `
if redis.call('EXISTS', KEYS[1]) == 0 then return {'0-0', ''} end
local info = redis.call('XINFO', 'STREAM', KEYS[1])
local last, first = '0-0', ''
for i = 1, #info, 2 do
  if info[i] == 'last-generated-id' then last = info[i + 1] end
  if info[i] == 'first-entry' and info[i + 1] then first = info[i + 1][1] end
end
return {last, first}
`;

declare module 'ioredis' {
  interface Redis {
    streamTail(key: string): Promise<[lastGeneratedId: string, firstEntryId: string]>;
  }
  interface ChainableCommander {
    streamTail(key: string): ChainableCommander;
  }
}

/** Gives an ioredis client a command for each script; it sends their hashes, and their text when new. */
export function defineScripts(redis: Redis): void {
  redis.defineCommand('streamTail', { numberOfKeys: 1, lua: TAIL_SCRIPT, readOnly: true });
}
