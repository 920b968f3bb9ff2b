/**
 * Redis tells a connection when another client changes a stream that was read there.
 * Source: https://redis.io/docs/latest/develop/reference/client-side-caching/
 */
import { encodeCommand, type ReplyCursor } from '../redis/resp.js';
import type { Asking } from './questions.js';

const isTaken = (reply: ReplyCursor): boolean => {
  const { isError } = reply;
  reply.skip();
  return !isError;
};

/** @returns whether Redis tells of changes on this connection, which is in RESP3 then, and takes transactions */
export async function askForChanges(asking: Asking): Promise<boolean> {
  const commands = [['HELLO', 3], ['CLIENT', 'TRACKING', 'ON', 'NOLOOP'], ['MULTI'], ['EXEC']];
  const taken = await Promise.all(commands.map((words) => asking.ask(encodeCommand(words), isTaken)));
  return taken.every((is) => is);
}
