/** A Redis of prepared replies, for what asks questions on a pipe's connection. */
import type { Asking } from '../../src/append/questions.js';
import { ReplyCursor } from '../../src/redis/resp.js';
import { encodeReply, type Reply } from './replies.js';

export interface ScriptedRedis extends Asking {
  /** The commands that it was asked, each as its words. */
  readonly asked: readonly string[];
}

/** @param replies to the commands, in order */
export function scriptedRedis(replies: Reply[]): ScriptedRedis {
  const asked: string[] = [];
  return {
    asked,
    ask: async (command, take) => {
      asked.push(
        String(command)
          .split('\r\n')
          .filter((_, index) => index > 0 && index % 2 === 0)
          .join(' '),
      );
      const cursor = new ReplyCursor();
      cursor.place(encodeReply(replies.shift()!), 0);
      return take(cursor);
    },
  };
}
