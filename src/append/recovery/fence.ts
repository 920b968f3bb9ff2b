/**
 * Makes Redis end a lost connection. What that had sent may lie in Redis' socket unread, or in the network: the
 * connection is gone on our side only.
 */
import { encodeCommand } from '../../redis/resp.js';
import { type Introduction, readText } from '../introduction.js';
import type { Asking } from '../questions.js';

/**
 * @returns whether Redis certainly carries out nothing more of the lost connection; it is not certain where Redis
 *   does not let us look at or end connections
 */
export async function fence(asking: Asking, { clientId, role }: Introduction): Promise<boolean> {
  if (clientId === undefined) return false;
  const line = await asking.ask(encodeCommand(['CLIENT', 'LIST', 'ID', clientId]), readText);
  if (line === undefined) return false;
  // The number alone may be another's, on a server that was restarted or took over.
  if (!line.includes(` name=streamgate-${role} `)) return true;
  const killed = await asking.ask(encodeCommand(['CLIENT', 'KILL', 'ID', clientId]), readText);
  return killed !== undefined;
}
