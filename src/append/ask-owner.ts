/**
 * Questions about a stream that may have gone to another shard since its entries were written: what the server that
 * was written to does not have, its owner is asked.
 */
import { readNotServed } from '../redis/cluster/redirect.js';
import type { KeyReads } from '../redis/key-reads.js';
import type { ReplyCursor } from '../redis/resp.js';
import type { Asking } from './questions.js';

const ELSEWHERE = Symbol('elsewhere');

/** @param asking the server that was written to @param reads ask the owner */
export function askOwner(key: string, asking: Asking, reads: KeyReads): Asking {
  return {
    get loss() {
      return asking.loss;
    },
    async ask<T>(command: Buffer, take: (reply: ReplyCursor) => T): Promise<T> {
      const answer = await asking.ask(command, (reply) => (isElsewhere(reply) ? ELSEWHERE : take(reply)));
      if (answer !== ELSEWHERE) return answer;
      const elsewhere = await reads.send(key, command, take);
      // Whoever asked goes by the next connection then, and must not come in between.
      if (asking.loss !== undefined) throw asking.loss;
      return elsewhere;
    },
  };
}

/** The reply is left as it was. */
function isElsewhere(reply: ReplyCursor): boolean {
  const error = reply.peekError();
  return error !== undefined && readNotServed(error) !== undefined;
}
