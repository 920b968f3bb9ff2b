/**
 * Holds what clients were told against what is in Redis, as it goes: memory does not grow with time.
 *
 * The truth is a reader of our own, beside the gateway. It must see every writer's entries in the order
 * sent, each once, nothing that was refused, and every id that was acknowledged with the entry it was
 * acknowledged for. Each follower keeps a digest of what it was sent, which in the end is the truth's.
 */
import { crc32 } from 'node:zlib';
import type { Redis } from 'ioredis';
import { compareEntryIds } from '../../src/protocol/entry-id.js';

/** Acks may come before or after the truth has the entry; those it had are remembered for so many entries. */
const REMEMBERED = 200_000;
const COUNT = 2000;
const BLOCK_MS = 200;

/** A count and a checksum of entries in order: two that agree have seen the same. */
export class Digest {
  entries = 0;
  #sum = 0;
  lastId = '0-0';

  /** @throws Error where ids do not rise */
  add(id: string, payload: Buffer): void {
    if (compareEntryIds(this.lastId, id) >= 0) throw new Error(`${id} came after ${this.lastId}`);
    this.lastId = id;
    this.entries++;
    this.#sum = crc32(payload, crc32(id, this.#sum));
  }

  toString(): string {
    return `${this.entries} entries to ${this.lastId}, sum ${this.#sum.toString(16)}`;
  }
}

/** `writer#seq ` and a filler. */
export function stampOf(payload: Buffer): { readonly writer: string; readonly seq: number } {
  const head = payload.toString('latin1', 0, Math.min(payload.length, 40));
  const [, writer, seq] = /^(\w+)#(\d+) /.exec(head) ?? [];
  if (writer === undefined) throw new Error(`an entry that nobody wrote: '${head}'`);
  return { writer, seq: Number(seq) };
}

export function stampedPayload(writer: string, seq: number, bytes: number): Buffer {
  return Buffer.from(`${writer}#${seq} `.padEnd(bytes, 'x'), 'latin1');
}

export class Truth {
  readonly digest = new Digest();
  readonly key: string;
  readonly #redis: Redis;
  /** Each writer's newest entry. */
  readonly #newest = new Map<string, number>();
  /** Entries seen of late, by id, oldest first: `writer#seq`. */
  readonly #seen = new Map<string, string>();
  /** The same the other way round. */
  readonly #seenStamps = new Set<string>();
  /** Acknowledged and not seen yet. */
  readonly #awaited = new Map<string, string>();
  readonly #refused = new Set<string>();
  #isStopped = false;
  readonly #reading: Promise<void>;
  /** The first thing that is not as it was told. */
  fault: Error | undefined;

  /** @param redis a connection of its own, which blocks */
  constructor(redis: Redis, key: string) {
    this.#redis = redis;
    this.key = key;
    this.#reading = this.#read();
  }

  get awaited(): number {
    return this.#awaited.size;
  }

  acknowledged(id: string, writer: string, seq: number): void {
    const stamp = `${writer}#${seq}`;
    const seen = this.#seen.get(id);
    if (seen === undefined) this.#awaited.set(id, stamp);
    else if (seen !== stamp) this.#fail(new Error(`${id} was acknowledged for ${stamp} and is ${seen}`));
  }

  refused(writer: string, seq: number): void {
    const stamp = `${writer}#${seq}`;
    if (this.#seenStamps.has(stamp)) this.#fail(new Error(`${stamp} was refused and is stored`));
    this.#refused.add(stamp);
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#reading;
  }

  async #read(): Promise<void> {
    while (!this.#isStopped) {
      try {
        const reply = (await this.#redis.callBuffer(
          ...(['XREAD', 'COUNT', COUNT, 'BLOCK', BLOCK_MS, 'STREAMS', this.key, this.digest.lastId] as const),
        )) as [key: Buffer, entries: [Buffer, Buffer[]][]] | null;
        for (const [id, fields] of reply?.[1] ?? []) this.#take(id.toString(), fields[1]!);
      } catch (error) {
        // Redis is being started again; anything else is told.
        if (!/closed|LOADING|ECONN|ENOENT|EPIPE|max retries|isn't writeable/.test(String(error)))
          this.#fail(error as Error);
        await new Promise((resolve) => setTimeout(resolve, BLOCK_MS));
      }
    }
  }

  #take(id: string, payload: Buffer): void {
    this.digest.add(id, payload);
    const { writer, seq } = stampOf(payload);
    const stamp = `${writer}#${seq}`;
    if (seq <= (this.#newest.get(writer) ?? -1)) this.#fail(new Error(`${stamp} is out of order, or twice`));
    this.#newest.set(writer, seq);
    if (this.#refused.has(stamp)) this.#fail(new Error(`${stamp} was refused and is stored`));
    const awaited = this.#awaited.get(id);
    if (awaited !== undefined && awaited !== stamp) {
      this.#fail(new Error(`${id} was acknowledged for ${awaited} and is ${stamp}`));
    }
    this.#awaited.delete(id);
    this.#seen.set(id, stamp);
    this.#seenStamps.add(stamp);
    if (this.#seen.size <= REMEMBERED) return;
    const [oldest] = this.#seen;
    this.#seen.delete(oldest![0]);
    this.#seenStamps.delete(oldest![1]);
  }

  #fail(error: Error): void {
    this.fault ??= error;
  }
}
