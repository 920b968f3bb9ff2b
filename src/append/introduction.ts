/**
 * What Redis says of a pipe's connection at its beginning. It is kept after the connection was lost, since Redis may
 * still hold commands of it (`recovery/fence.ts`).
 */
import { encodeCommand, type ReplyCursor } from '../redis/resp.js';
import { isOneOfThese } from '../redis/server-identity.js';
import type { Asking } from './questions.js';
import type { Clocks } from './recovery/recovery.js';

export interface Introduction extends Clocks {
  /** The connection's name is `streamgate-` and this. */
  readonly role: string;
  /** Redis' number for the connection; undefined where it does not tell, or not under our name. */
  readonly clientId: string | undefined;
  /** It is Redis, Valkey or Redict, whose word on changes by others has been tested (docs/servers.md). */
  readonly isTested: boolean;
}

/** @param role that no other connection has or had, on any server */
export async function introduce(asking: Asking, role: string): Promise<Introduction> {
  const askedAt = performance.now();
  const [info, server, redisTime] = await Promise.all([
    asking.ask(encodeCommand(['CLIENT', 'INFO']), readText),
    asking.ask(encodeCommand(['INFO', 'server']), readText),
    asking.ask(encodeCommand(['TIME']), readTime),
  ]);
  const localTime = performance.now();
  const isOurs = info?.includes(` name=streamgate-${role} `);
  return {
    role,
    clientId: isOurs ? /^id=(\d+) /.exec(info!)?.[1] : undefined,
    isTested: server !== undefined && isOneOfThese(server),
    runId: /^run_id:(\w+)/m.exec(server ?? '')?.[1],
    redisTime,
    askedAt,
    localTime,
  };
}

/** A reply's text; undefined where it is an error: not allowed, or not known to the server. */
export function readText(reply: ReplyCursor): string | undefined {
  return reply.isError ? undefined : reply.text();
}

/** TIME's reply in ms; undefined where it is none. */
function readTime(reply: ReplyCursor): number | undefined {
  if (!reply.isArray) return undefined;
  reply.array();
  const seconds = reply.number();
  return Math.floor(seconds * 1000 + reply.number() / 1000);
}
