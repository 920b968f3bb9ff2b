/**
 * How many entries a stream ever got, which shows whether others write to it.
 *
 * `XINFO STREAM` has that number, but also copies the first and the last entry. In Lua these stay within Redis, so
 * this is asked once per stream before its first entry, and once per search after a lost connection.
 */
import { encodeCommand, type ReplyCursor } from '../redis/resp.js';

export interface StreamCount {
  /** `entries-added`: trimming and deleting entries do not lower it. */
  readonly added: number;
  /** `last-generated-id`; `0-0` for a missing key. */
  readonly lastId: string;
}

/** KEYS[1] the stream. Replies {entries added, last generated id}; a key of another type is Redis' own error. */
const COUNT_SCRIPT = `
if redis.call('EXISTS', KEYS[1]) == 0 then return {0, '0-0'} end
local info = redis.call('XINFO', 'STREAM', KEYS[1])
local added, last = -1, '0-0'
for i = 1, #info, 2 do
  if info[i] == 'entries-added' then added = info[i + 1] end
  if info[i] == 'last-generated-id' then last = info[i + 1] end
end
return {added, last}
`;

export const encodeStreamCount = (key: string): Buffer => encodeCommand(['EVAL', COUNT_SCRIPT, 1, key]);

/** @returns undefined where the server does not count, or answers something else */
export function readStreamCount(reply: ReplyCursor): StreamCount | undefined {
  if (!reply.isArray) return undefined;
  reply.array();
  const added = reply.number();
  const lastId = reply.text();
  return added < 0 ? undefined : { added, lastId };
}
