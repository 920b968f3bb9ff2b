/** A producer with acks, for load: stamped frames, some under way at once, each settled by its ack. */
import { WebSocket } from 'ws';
import type { GatewayProcess } from './gateway-process.js';
import { stampedFrame } from './stamped-frames.js';

export interface Refusal {
  readonly code: string;
  readonly error: string;
}

/** What became of one frame: its id, why it was refused, or undefined where no ack came. */
export type Outcome = string | Refusal | undefined;

export interface Sent {
  readonly sid: string;
  readonly stamp: string;
  outcome: Outcome;
}

export class StreamWriter {
  readonly name: string;
  readonly ws: WebSocket;
  readonly closed: Promise<{ code: number; reason: string }>;
  /** All that was sent, in order. */
  readonly sent: Sent[] = [];
  readonly #sid: string;
  readonly #waiting: { sent: Sent; resolve: () => void }[] = [];
  #acked = 0;

  private constructor(ws: WebSocket, sid: string, name: string) {
    this.ws = ws;
    this.name = name;
    this.#sid = sid;
    ws.on('message', (data) => {
      const outcomes = JSON.parse(data.toString()) as Exclude<Outcome, undefined>[];
      for (const outcome of outcomes) this.#settle(outcome);
    });
    ws.on('error', () => {}); // 'close' comes as well
    this.closed = new Promise((resolve) => {
      ws.on('close', (code, reason) => {
        for (const { resolve } of this.#waiting.splice(0)) resolve();
        resolve({ code, reason: reason.toString() });
      });
    });
  }

  /** @param sid the stream that its frames go to; for frames of several streams see `send` */
  static async open(gateway: GatewayProcess, sid: string, name: string): Promise<StreamWriter> {
    const ws = new WebSocket(`${gateway.ws}/data/*/push?ack=1`, {
      perMessageDeflate: false,
      // A mask of zeros is left out by the library: masking would take most of a writer's time.
      generateMask: (mask) => mask.fill(0),
    });
    const writer = new StreamWriter(ws, sid, name);
    await new Promise<void>((resolve, reject) => {
      ws.once('open', resolve);
      ws.once('error', reject);
    });
    return writer;
  }

  /** How many frames were settled. */
  get acked(): number {
    return this.#acked;
  }

  /** Sends the next frame, of `bytes` bytes. Resolves when it is settled, however that is. */
  async send(bytes = 0, sid = this.#sid): Promise<Sent> {
    const seq = this.sent.length;
    const sent: Sent = { sid, stamp: `${this.name}#${seq}`, outcome: undefined };
    const payload = stampedFrame(this.name, seq, bytes);
    this.sent.push(sent);
    const settled = new Promise<void>((resolve) => {
      if (this.ws.readyState === WebSocket.OPEN) this.#waiting.push({ sent, resolve });
      else resolve();
    });
    if (this.ws.readyState === WebSocket.OPEN) {
      this.ws.send(JSON.stringify([[sid, payload.length]]));
      this.ws.send(payload);
    }
    await settled;
    return sent;
  }

  /** Sends until `mayGoOn` says no or the connection closes, up to `window` frames under way at once. */
  async sendWhile(mayGoOn: () => boolean, bytes: (seq: number) => number, window = 16): Promise<void> {
    const lane = async () => {
      while (mayGoOn() && this.ws.readyState === WebSocket.OPEN) await this.send(bytes(this.sent.length));
    };
    await Promise.all(Array.from({ length: window }, lane));
  }

  async close(): Promise<void> {
    this.ws.close();
    await this.closed;
  }

  #settle(outcome: Exclude<Outcome, undefined>): void {
    const waiting = this.#waiting.shift();
    if (waiting === undefined) throw new Error(`an ack of nothing: ${JSON.stringify(outcome)}`);
    waiting.sent.outcome = outcome;
    this.#acked++;
    waiting.resolve();
  }
}
