/** A producer at a steady rate, with acks: batches of entries, each settled by its ack or by the end. */
import { WebSocket } from 'ws';
import { stampedPayload, type Truth } from './checker.js';

const BATCH = 20;
/** Batches under way; beyond it the rate is not kept, as during an outage. */
const WINDOW = 50;
const RECONNECT_MS = 200;
const TICK_MS = 5;

export interface WriterTotals {
  acked: number;
  refused: number;
  unknown: number;
}

export interface WriterTask {
  readonly url: string;
  readonly name: string;
  /** Entries a second. */
  readonly rate: number;
  readonly bytes: number;
  readonly truth: Truth;
  readonly totals: WriterTotals;
}

export class SoakWriter {
  readonly #task: WriterTask;
  #ws: WebSocket | undefined;
  #seq = 0;
  /** Batches that the clock owes. */
  #due = 0;
  #tickedAt = performance.now();
  /** The first number of each batch without its ack, oldest first. */
  #waiting: number[] = [];
  #isStopped = false;
  readonly #timer: NodeJS.Timeout;
  #whenDone: (() => void) | undefined;

  constructor(task: WriterTask) {
    this.#task = task;
    this.#connect();
    this.#timer = setInterval(() => this.#sendDue(), TICK_MS);
  }

  /** Sends nothing more, and resolves when all is settled. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    clearInterval(this.#timer);
    if (this.#waiting.length > 0) {
      await new Promise<void>((resolve) => {
        this.#whenDone = resolve;
      });
    }
    this.#ws?.close();
  }

  #connect(): void {
    const ws = new WebSocket(this.#task.url, {
      perMessageDeflate: false,
      generateMask: (mask) => mask.fill(0),
    });
    this.#ws = ws;
    ws.on('message', (data) => this.#settle(JSON.parse(data.toString()) as (string | { code: string })[]));
    ws.on('error', () => {});
    ws.on('close', () => {
      // What had no answer may be stored or not: the truth will show either, once.
      this.#task.totals.unknown += this.#waiting.length * BATCH;
      this.#waiting = [];
      if (this.#isStopped) this.#whenDone?.();
      else setTimeout(() => this.#connect(), RECONNECT_MS);
    });
  }

  #sendDue(): void {
    const now = performance.now();
    this.#due += ((now - this.#tickedAt) / 1000) * (this.#task.rate / BATCH);
    this.#tickedAt = now;
    for (; this.#due >= 1; this.#due--) {
      const isOpen = this.#ws?.readyState === WebSocket.OPEN;
      if (!isOpen || this.#waiting.length >= WINDOW) {
        // What could not be sent in time is not sent later in one go.
        this.#due = 0;
        return;
      }
      this.#send(this.#ws!);
    }
  }

  #send(ws: WebSocket): void {
    const { name, bytes } = this.#task;
    const payloads = Array.from({ length: BATCH }, (_, index) =>
      stampedPayload(name, this.#seq + index, bytes),
    );
    let end = 0;
    const header = payloads.map((payload) => {
      end += payload.length;
      return end;
    });
    this.#waiting.push(this.#seq);
    this.#seq += BATCH;
    ws.send(JSON.stringify(header));
    ws.send(Buffer.concat(payloads));
  }

  #settle(outcomes: readonly (string | { code: string })[]): void {
    const first = this.#waiting.shift()!;
    const { truth, totals, name } = this.#task;
    outcomes.forEach((outcome, index) => {
      if (typeof outcome === 'string') {
        totals.acked++;
        truth.acknowledged(outcome, name, first + index);
      } else if (outcome.code === 'unknown_outcome') {
        totals.unknown++;
      } else {
        totals.refused++;
        truth.refused(name, first + index);
      }
    });
    if (this.#waiting.length === 0) this.#whenDone?.();
  }
}
