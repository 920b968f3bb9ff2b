/**
 * One run of redis-server, under a watcher that outlives the gateway by just as long as Redis takes to
 * end: however the gateway dies, Redis is told to stop.
 */
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { createInterface } from 'node:readline';
import type { Duplex } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from '../system/logger.js';
import { readRedisLog } from './redis-log.js';

export interface RedisProcess {
  /** redis-server's own process id, undefined once it has ended. */
  readonly pid: number | undefined;
  /** Resolves when it has ended, to how: `ended with status 1 (its last words)`. Never rejects. */
  readonly ended: Promise<string>;
  /** Asks it to end in order, kills it if it does not within 10 s, and resolves when it has ended. */
  end(): Promise<void>;
}

/** The socket's name in the folder. Redis changes to that folder, so there this is all of its path. */
export const SOCKET_FILE = 'redis.sock';

const END_MS = 10_000;
const LAST_WORDS_MS = 500;

/**
 * What redis-server is called with, in the folder that it serves: Valkey reads a path with quotes in it as
 * broken configuration. `AofSync` does what appendfsync leaves out, and says why.
 */
export function redisArguments(): string[] {
  return [
    ...['--port', '0', '--unixsocket', SOCKET_FILE, '--unixsocketperm', '700', '--dir', './'],
    ...['--appendonly', 'yes', '--appendfsync', 'no', '--save', ''],
    ...['--maxmemory-policy', 'noeviction', '--daemonize', 'no', '--loglevel', 'notice'],
  ];
}

/**
 * What Redis writes is for its owner only, whatever the folder's mode and the gateway's umask.
 *
 * Two shells stand by Redis. The outer one is its parent, reaps it and passes its status on. The guard
 * tells the gateway Redis' process id on descriptor 3, then reads from there, where nothing ever comes
 * but the end: the gateway is gone. Then it stops Redis and stays until that is done.
 *
 * The outer shell ends the guard once Redis has ended, except while that is stopping Redis: it would
 * leave its sleep behind. The guard looks every second whether Redis is still there, lest it kill
 * another process of the same id; and a pipe that is closed before it has spoken must not end it.
 */
const WATCHER = `
umask 077
exec "$@" 3>&- &
redis=$!
(
  trap '' PIPE
  echo $redis
  read -r _
  trap '' TERM
  kill -TERM $redis
  for second in 1 2 3 4 5 6 7 8 9 10; do
    sleep 1
    kill -0 $redis || exit
  done
  kill -KILL $redis
) <&3 >&3 2>/dev/null &
guard=$!
wait $redis 2>/dev/null
status=$?
kill $guard 2>/dev/null
wait $guard 2>/dev/null
exit $status
`;

/** Starts redis-server; resolves as soon as its process id is known or it has ended. */
export async function spawnRedis(binary: string, folder: string, logger: Logger): Promise<RedisProcess> {
  const child = spawn('/bin/sh', ['-c', WATCHER, 'streamgate-redis', binary, ...redisArguments()], {
    cwd: folder,
    // A session of its own: a Ctrl-C in the terminal is for the gateway alone, which stops Redis last.
    detached: true,
    // From 7.2 on Redis refuses to start under a locale that the system does not have.
    env: { ...process.env, LC_ALL: 'C' },
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
  });
  // Descriptor 3 is a socket, so it goes both ways. Out of descriptors, Node gives no streams at all.
  const guard = child.stdio?.[3] as Duplex | null | undefined;
  guard?.on('error', () => {}); // A guard that was killed resets it, which 'exit' tells too.
  let lastWords = '';
  for (const output of [child.stdout, child.stderr]) {
    if (!output) continue;
    createInterface(output).on('line', (line) => {
      const { level, text } = readRedisLog(line);
      if (!text.trim()) return;
      lastWords = text.trim();
      logger[level](`redis: ${text}`);
    });
  }

  let pid: number | undefined;
  let hasEnded = false;
  const closed = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const ended = new Promise<string>((resolve) => {
    child.once('error', (cause) => resolve(`could not be started: ${cause.message}`));
    child.once('exit', async (status, signal) => {
      hasEnded = true;
      // Its last words may still be on their way, and a fork of Redis may hold the pipes open.
      await Promise.race([closed, delay(LAST_WORDS_MS)]);
      // Should only the outer shell have been killed, this has the guard stop Redis.
      for (const stream of child.stdio) stream?.destroy();
      resolve(describe(status, signal, lastWords));
    });
  });
  await Promise.race([
    ended,
    new Promise<void>((resolve) => {
      guard?.once('data', (line: Buffer) => {
        pid = Number.parseInt(line.toString(), 10);
        resolve();
      });
    }),
  ]);

  function kill(signal: 'SIGTERM' | 'SIGKILL'): void {
    try {
      if (pid !== undefined && !hasEnded) process.kill(pid, signal);
    } catch {
      // It has ended and its end is about to be told.
    }
  }

  return {
    get pid() {
      return hasEnded ? undefined : pid;
    },
    ended,
    async end() {
      kill('SIGTERM');
      const deadline = setTimeout(kill, END_MS, 'SIGKILL');
      await ended;
      clearTimeout(deadline);
    },
  };
}

function describe(status: number | null, signal: string | null, lastWords: string): string {
  // A shell adds 128 to the signal that ended its child.
  const name = Object.entries(constants.signals).find(([, number]) => number === (status ?? 0) - 128)?.[0];
  if (signal ?? name) return `was ended by ${signal ?? name}`;
  return `ended with status ${status}${lastWords && ` (${lastWords})`}`;
}
