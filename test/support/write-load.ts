/** Writers of all kinds at once, for tests of faults: with acks, without, and by REST. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { expect, vi } from 'vitest';
import { WebSocket } from 'ws';
import type { GatewayProcess } from './gateway-process.js';
import { stampedFrame } from './stamped-frames.js';
import { storedEntries } from './stored-entries.js';
import { type Refusal, type Sent, StreamWriter } from './stream-writer.js';
import { checkWrites, type WriteCounts } from './write-checker.js';

/** Streams that are written to. */
const SIDS = ['a', 'b'] as const;
const SIZES = [30, 2000, 40_000];
/** Frames that a writer has under way at once. */
const WINDOW = 16;
const PACE_MS = 2;
const PATIENCE = { timeout: 20_000, interval: 2 };
/** The writer without acks. */
const SILENT = 'silent';

export interface WriteLoad {
  /** Entries that were told to be stored. */
  readonly acked: number;
  /** Ms that the slowest answer took, whatever it was. */
  readonly slowest: number;
  /** Waits until so many more entries were told to be stored. */
  moreAcked(count: number): Promise<void>;
  /**
   * Ends all writers and holds what they were told against what Redis has, by `checkWrites`.
   * @returns also how many were sent `silently`: without acks, so that nobody was told of them
   */
  check(redis: Redis): Promise<WriteCounts & { readonly silently: number }>;
}

class Load implements WriteLoad {
  readonly #gateway: GatewayProcess;
  readonly #sent: Sent[] = [];
  #isDone = false;
  readonly #running: Promise<void>[] = [];
  acked = 0;
  slowest = 0;

  constructor(gateway: GatewayProcess) {
    this.#gateway = gateway;
    this.#running.push(
      this.#acking('w1', 'a'),
      this.#acking('w2', 'b'),
      this.#acking('w3', 'a'),
      this.#posting('rest', 'b'),
      this.#silent('a'),
    );
  }

  async moreAcked(count: number): Promise<void> {
    const wanted = this.acked + count;
    await vi.waitFor(() => expect(this.acked).toBeGreaterThanOrEqual(wanted), PATIENCE);
  }

  async check(redis: Redis): Promise<WriteCounts & { readonly silently: number }> {
    this.#isDone = true;
    await Promise.all(this.#running);
    await vi.waitFor(async () => expect(await this.#gateway.metric('append_queue_bytes')).toBe(0), PATIENCE);
    const streams = await Promise.all(
      SIDS.map(async (sid) => [sid, await storedEntries(redis, `default:${sid}`)] as const),
    );
    const silently = this.#sent.filter(({ stamp }) => stamp.startsWith(`${SILENT}#`)).length;
    return { ...checkWrites(this.#sent, new Map(streams)), silently };
  }

  #settled({ outcome }: Sent, begun: number): void {
    this.slowest = Math.max(this.slowest, performance.now() - begun);
    if (typeof outcome === 'string') this.acked++;
  }

  async #acking(name: string, sid: string): Promise<void> {
    const writer = await StreamWriter.open(this.#gateway, sid, name);
    const lane = async () => {
      while (!this.#isDone) {
        const begun = performance.now();
        const sent = await writer.send(SIZES[writer.sent.length % SIZES.length]);
        this.#settled(sent, begun);
        // A refusal at once must not become a storm.
        if (typeof sent.outcome !== 'string') await delay(PACE_MS);
      }
    };
    await Promise.all(Array.from({ length: WINDOW }, lane));
    await writer.close();
    this.#sent.push(...writer.sent);
  }

  async #posting(name: string, sid: string): Promise<void> {
    for (let seq = 0; !this.#isDone; seq++) {
      const sent: Sent = { sid, stamp: `${name}#${seq}`, outcome: undefined };
      this.#sent.push(sent);
      const begun = performance.now();
      const body = new Uint8Array(stampedFrame(name, seq, 500));
      const answer = await fetch(`${this.#gateway.http}/data/${sid}`, { method: 'POST', body });
      const told = await answer.json();
      sent.outcome = answer.status === 200 ? (told as string[])[0] : (told as Refusal);
      this.#settled(sent, begun);
      if (answer.status !== 200) await delay(PACE_MS);
    }
  }

  /** Comes back whenever it is closed. */
  async #silent(sid: string): Promise<void> {
    for (let seq = 0; !this.#isDone; ) {
      const ws = new WebSocket(`${this.#gateway.ws}/data/${sid}/push?header=0`, { perMessageDeflate: false });
      ws.on('error', () => {}); // 'close' comes as well
      const closed = new Promise((resolve) => ws.once('close', resolve));
      await Promise.race([new Promise((resolve) => ws.once('open', resolve)), closed]);
      for (; !this.#isDone && ws.readyState === WebSocket.OPEN; seq++) {
        ws.send(stampedFrame(SILENT, seq, SIZES[seq % SIZES.length]));
        this.#sent.push({ sid, stamp: `${SILENT}#${seq}`, outcome: undefined });
        await delay(PACE_MS);
      }
      ws.close();
      await closed;
    }
  }
}

export const startLoad = (gateway: GatewayProcess): WriteLoad => new Load(gateway);
