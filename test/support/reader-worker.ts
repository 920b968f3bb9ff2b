/** A reader thread by itself, and replies to its reads. */
import { resolve } from 'node:path';
import { Worker } from 'node:worker_threads';
import { expect, vi } from 'vitest';
import type { SharedSlots } from '../../src/redis/cluster/slot-table.js';
import type { ReaderCommand, ReaderEvent, ThreadData } from '../../workers/messages.js';

const FILE = resolve('dist/workers/reader.js');
/** Until a silent connection is given up, with room to spare. */
export const NOTICED = { timeout: 8000, interval: 10 };

export const bulk = (text: string) => `$${Buffer.byteLength(text)}\r\n${text}\r\n`;
export const array = (...parts: readonly string[]) => `*${parts.length}\r\n${parts.join('')}`;
export const NOTHING = '*-1\r\n';

/** An XREAD's reply with one entry of one stream. */
export const entryOf = (key: string, id: string) =>
  array(array(bulk(key), array(array(bulk(id), array(bulk('d'), bulk(`${key} ${id}`))))));

/** The thread, and what it has said. */
export class ReaderWorker {
  readonly worker: Worker;
  readonly events: ReaderEvent[] = [];
  #generation = 0;
  /** By the numbers of their followings. */
  readonly #keys = new Map<number, string>();

  /** @param cluster the slot table where `target` is a cluster */
  constructor(target: ThreadData['target'], cluster?: SharedSlots) {
    const shared = cluster && { shared: cluster.shared, natMap: cluster.natMap };
    const data: ThreadData = { target, cluster: shared };
    this.worker = new Worker(FILE, { workerData: data });
    this.worker.on('message', (event: ReaderEvent) => this.events.push(event));
  }

  async close(): Promise<void> {
    await this.worker.terminate();
  }

  send(command: ReaderCommand): void {
    this.worker.postMessage(command);
  }

  /** @returns the following's number */
  follow(key: string, after = '0-0'): number {
    const generation = ++this.#generation;
    this.#keys.set(generation, key);
    this.send({ type: 'follow', key, after, added: undefined, isCounted: true, generation });
    return generation;
  }

  of<T extends ReaderEvent['type']>(type: T): Extract<ReaderEvent, { type: T }>[] {
    return this.events.filter((event) => event.type === type) as Extract<ReaderEvent, { type: T }>[];
  }

  async said<T extends ReaderEvent['type']>(type: T, times = 1): Promise<Extract<ReaderEvent, { type: T }>> {
    await vi.waitFor(() => expect(this.of(type).length).toBeGreaterThanOrEqual(times), NOTICED);
    return this.of(type)[times - 1]!;
  }

  /** All entries that came, as `key id`. */
  get entries(): string[] {
    return this.of('entries').flatMap(({ reply }) =>
      reply.generations.flatMap((generation, index) =>
        reply.ids[index]!.split(' ').map((id) => `${this.#keys.get(generation)} ${id}`),
      ),
    );
  }
}
