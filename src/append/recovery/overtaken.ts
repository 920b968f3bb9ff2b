/** Whether trimming has overtaken who reads a stream: the question to Redis, and what it answers. */
import { encodeCommand, type ReplyCursor } from '../../redis/resp.js';
import { OVERTAKEN_SCRIPT } from '../../redis/scripts.js';

export interface Overtaken {
  /** Entries after the cursor were, or may have been, removed. */
  readonly mayBe: boolean;
  /** Entries that were ever added up to the last one read; -1 where that is not known. */
  readonly added: number;
}

/** @param last the last entry read, where it is asked after the read */
export function encodeOvertaken(key: string, cursor: string, last?: string): Buffer {
  return encodeCommand(['EVAL', OVERTAKEN_SCRIPT, 1, key, cursor, ...(last === undefined ? [] : [last])]);
}

/** @returns undefined where Redis does not tell, as where scripts are not allowed */
export function readOvertaken(reply: ReplyCursor): Overtaken | undefined {
  if (reply.isError) {
    reply.skip();
    return undefined;
  }
  reply.array();
  return { mayBe: reply.number() === 1, added: reply.number() };
}
