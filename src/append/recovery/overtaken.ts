/** Whether entries after a cursor were removed from a stream: the question to Redis, and what it answers. */
import { encodeCommand, type ReplyCursor } from '../../redis/resp.js';
import { OVERTAKEN_SCRIPT } from '../../redis/scripts.js';

export function encodeOvertaken(key: string, cursor: string): Buffer {
  return encodeCommand(['EVAL', OVERTAKEN_SCRIPT, 1, key, cursor]);
}

/** @returns whether they were, or may have been; undefined where Redis does not tell, as where scripts are not allowed */
export function readOvertaken(reply: ReplyCursor): boolean | undefined {
  return reply.isError ? undefined : reply.number() === 1;
}
