/**
 * Asks Sentinels where the master is now.
 * Source: https://redis.io/docs/latest/develop/reference/sentinel-clients/
 */
import { connect as connectTcp } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { RedisAddress } from './address.js';
import { encodeCommand, ReplyBuffer, ReplyCursor } from './resp.js';
import { type SentinelGroup, tlsOptions } from './target.js';

/** One that says nothing for so long is passed over for the next. */
const ANSWER_MS = 1000;

/**
 * The address of the group's master, by the first Sentinel that knows it.
 * @throws Error where none does, with what the last one said
 */
export async function findMaster(group: SentinelGroup, tls: boolean): Promise<RedisAddress> {
  let cause: unknown;
  for (const address of group.addresses) {
    try {
      return await ask(address, group, tls);
    } catch (error) {
      cause = error;
    }
  }
  const reason = cause instanceof Error ? cause.message : String(cause);
  throw new Error(`no Sentinel knows the master '${group.master}': ${reason}`, { cause });
}

function ask({ host, port }: RedisAddress, group: SentinelGroup, tls: boolean): Promise<RedisAddress> {
  const { master, username, password } = group;
  return new Promise((resolve, reject) => {
    const socket = tls ? connectTls({ host, port, ...tlsOptions(host) }) : connectTcp({ host, port });
    const timer = setTimeout(() => socket.destroy(new Error(`${host}:${port} did not answer`)), ANSWER_MS);
    const replies = new ReplyBuffer();
    const cursor = new ReplyCursor();
    let isLoggedIn = password === undefined;
    const takeReply = () => {
      if (!isLoggedIn) {
        if (cursor.isError) throw new Error(`${host}:${port} refused the login: ${cursor.text()}`);
        isLoggedIn = true;
        return;
      }
      resolve(readAddress(cursor, master));
      socket.destroy();
    };
    socket.on('data', (chunk: Buffer) => {
      try {
        replies.append(chunk);
        while (!socket.destroyed && replies.next(cursor)) takeReply();
      } catch (error) {
        socket.destroy(error as Error);
      }
    });
    socket.on('error', reject);
    socket.on('close', () => {
      clearTimeout(timer);
      // Nothing happens where there was an answer.
      reject(new Error(`${host}:${port} closed the connection`));
    });
    if (password !== undefined) {
      socket.write(encodeCommand(['AUTH', ...(username === undefined ? [] : [username]), password]));
    }
    socket.write(encodeCommand(['SENTINEL', 'GET-MASTER-ADDR-BY-NAME', master]));
  });
}

/** @throws Error where the Sentinel has none of that name */
function readAddress(reply: ReplyCursor, master: string): RedisAddress {
  if (reply.isError) throw new Error(reply.text());
  if (reply.array() !== 2) throw new Error(`it watches no master of the name '${master}'`);
  return { host: reply.text(), port: reply.number() };
}
