/** An append pipe by itself, its receipts, and a server for it that answers as a test likes. */
import { expect, onTestFinished, vi } from 'vitest';
import type { Receipt } from '../../src/append/batch.js';
import { AppendPipe, type AppendPipeOptions } from '../../src/append/pipe.js';
import type { Failure } from '../../src/protocol/errors.js';
import type { ReplyCursor } from '../../src/redis/resp.js';
import type { RedisTarget } from '../../src/redis/target.js';
import { createLogger } from '../../src/system/logger.js';
import { type Answer, politely } from './fake-redis.js';

const MIB = 1024 * 1024;
export const WAIT = { timeout: 15_000, interval: 5 };
export const MAX_LENGTH = 1_000_000;

/** Keeps what the receipts of entries 0, 1, … say, and that each is told once. */
export class Ledger implements Receipt {
  readonly results: (string | Failure)[] = [];
  told = 0;

  stored(token: number, reply: ReplyCursor): void {
    this.#tell(token, reply.text());
  }

  refused(token: number, failure: Failure): void {
    this.#tell(token, failure);
  }

  /** The ids of all entries, none of which may have been refused. */
  get ids(): string[] {
    return this.results.map((result) => {
      if (typeof result !== 'string') throw result;
      return result;
    });
  }

  #tell(token: number, result: string | Failure): void {
    expect(this.results[token]).toBeUndefined();
    this.results[token] = result;
    this.told++;
  }
}

export const failing = (code: string) => expect.objectContaining({ code });

/** A Redis without entries that answers what is asked before some are written, and `xadd` as it says. */
export function emptyRedis(xadd: Answer, clock: (client: number) => number = () => 1): Answer {
  const names = new Map<number, string>();
  const bulk = (text: string) => `$${text.length}\r\n${text}\r\n`;
  return (command, client) => {
    const [name, word, value] = command;
    if (name === 'CLIENT' && word === 'SETNAME') names.set(client.index, value!);
    if (name === 'CLIENT' && word === 'INFO')
      return bulk(`id=${client.index} name=${names.get(client.index)} x`);
    if (name === 'CLIENT' && word === 'LIST') return bulk('');
    if (name === 'TIME') return `*2\r\n${bulk(String(clock(client.index)))}${bulk('0')}`;
    if (name === 'XRANGE') return '*0\r\n';
    // The count of a stream, which this server does not know, or whether entries were removed from it.
    if (name === 'EVAL') return command.length === 4 ? `*2\r\n:-1\r\n${bulk('0-0')}` : ':0\r\n';
    return name === 'XADD' ? xadd(command, client) : politely(command, client);
  };
}

export function newPipe(target: RedisTarget, options: Partial<AppendPipeOptions> = {}): AppendPipe {
  const pipe = new AppendPipe({
    target,
    logger: createLogger('silent'),
    budget: { usedBytes: 0, maxBytes: 64 * MIB },
    maxLength: MAX_LENGTH,
    maxOutageMs: 10_000,
    ...options,
  });
  onTestFinished(() => pipe.close());
  return pipe;
}

export function append(
  pipe: AppendPipe,
  key: string,
  payload: string | Uint8Array,
  ledger: Ledger,
  token = 0,
): void {
  pipe.append(pipe.streams.get(key), '*', Buffer.from(payload as string), ledger, token);
}

/** Stores one entry and resolves to its id. */
export async function store(pipe: AppendPipe, key = 'k', payload = 'x'): Promise<string> {
  const ledger = new Ledger();
  append(pipe, key, payload, ledger);
  await vi.waitFor(() => expect(ledger.told).toBe(1), WAIT);
  return ledger.ids[0]!;
}
