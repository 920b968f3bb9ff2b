/** A follower that reads whatever comes, in any framing, and keeps what it was told. */
import { Unpackr } from 'msgpackr';
import { WebSocket } from 'ws';
import type { GatewayProcess } from './gateway-process.js';
import { stampOf } from './stamped-frames.js';

export type Framing = '1' | '0' | 'msgpack';

/** One entry as it came; raw frames name neither their stream nor their id. */
export interface Followed {
  readonly sid: string | undefined;
  readonly id: string | undefined;
  readonly stamp: string;
}

/** A loss as it was told, and after how many entries. */
export interface ToldGap {
  readonly at: number;
  readonly stream: string;
  readonly after: string;
  readonly resumed_at: string;
  readonly reason: string;
}

const unpackr = new Unpackr({ useRecords: false });

/** The entries of a message in header mode 1 (`offsets=start`). */
export function splitMessage(header: string, payload: Buffer): [sid: string, id: string, bytes: Buffer][] {
  const rows = JSON.parse(header) as [string, string, number][];
  return rows.map(([sid, id, start], index) => [sid, id, payload.subarray(start, rows[index + 1]?.[2])]);
}

export function unpackMessage(message: Buffer): [sid: string, id: string, bytes: Buffer][] {
  return unpackr.unpack(message);
}

export class StreamFollower {
  readonly ws: WebSocket;
  readonly closed: Promise<{ code: number; reason: string }>;
  readonly entries: Followed[] = [];
  /** When each came, by `performance.now()`. */
  readonly arrivals: number[] = [];
  readonly gaps: ToldGap[] = [];
  /** Messages with entries, heartbeats not counted. */
  messages = 0;
  heartbeats = 0;
  largestMessage = 0;
  /** The first message that was not what it should be. */
  fault: Error | undefined;
  readonly #framing: Framing;
  #header: string | undefined;
  #wake: (() => void)[] = [];
  #isClosed = false;

  private constructor(ws: WebSocket, framing: Framing) {
    this.ws = ws;
    this.#framing = framing;
    ws.on('message', (data, isBinary) => {
      try {
        this.#take(data as Buffer, isBinary);
      } catch (error) {
        this.fault ??= error as Error;
      }
      this.#tell();
    });
    ws.on('error', () => {}); // 'close' comes as well
    this.closed = new Promise((resolve) => {
      ws.on('close', (code, reason) => {
        this.#isClosed = true;
        resolve({ code, reason: reason.toString() });
        this.#tell();
      });
    });
  }

  /** @param query without `header`, e.g. `last_entry_id=0&count=10` */
  static async open(
    gateway: GatewayProcess,
    sids: string,
    query = '',
    framing: Framing = '1',
  ): Promise<StreamFollower> {
    const ws = new WebSocket(`${gateway.ws}/data/${sids}/pull?header=${framing}&${query}`, {
      perMessageDeflate: false,
      maxPayload: 1 << 30,
    });
    const follower = new StreamFollower(ws, framing);
    await new Promise<void>((resolve, reject) => {
      ws.once('open', resolve);
      ws.once('error', reject);
    });
    return follower;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Waits until `condition` holds, which is looked at after every message. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      if (this.fault) throw this.fault;
      if (this.#isClosed) {
        const { code, reason } = await this.closed;
        throw new Error(`closed after ${this.entries.length} entries: ${code} ${reason}`);
      }
      await new Promise<void>((resolve) => this.#wake.push(resolve));
    }
    if (this.fault) throw this.fault;
  }

  /** Stops reading from the socket: what the system's buffers don't hold waits in the gateway. */
  pause(): void {
    this.ws.pause();
  }

  resume(): void {
    this.ws.resume();
  }

  async close(): Promise<void> {
    this.ws.resume();
    this.ws.close();
    await this.closed;
  }

  #take(data: Buffer, isBinary: boolean): void {
    const text = isBinary ? '' : data.toString();
    if (text.startsWith('{"gap":')) {
      if (this.#header !== undefined) throw new Error('a gap between a header and its payload');
      this.gaps.push({ at: this.entries.length, ...JSON.parse(text).gap });
    } else if (this.#framing === '0') {
      if (!isBinary) throw new Error('a text frame with header=0');
      this.#add([[undefined, undefined, data]]);
    } else if (this.#framing === 'msgpack') {
      if (!isBinary) throw new Error('a text frame with header=msgpack');
      this.#add(unpackMessage(data));
    } else if (isBinary) {
      if (this.#header === undefined) throw new Error('a payload without a header');
      const header = this.#header;
      this.#header = undefined;
      if (header === '[]' && data.length > 0) throw new Error('a heartbeat with a payload');
      this.#add(splitMessage(header, data));
    } else {
      if (this.#header !== undefined) throw new Error('a header without a payload');
      this.#header = data.toString();
    }
  }

  #add(entries: [sid: string | undefined, id: string | undefined, bytes: Buffer][]): void {
    if (entries.length === 0) this.heartbeats++;
    else this.messages++;
    this.largestMessage = Math.max(this.largestMessage, entries.length);
    for (const [sid, id, bytes] of entries) {
      this.entries.push({ sid, id, stamp: stampOf(bytes) });
      this.arrivals.push(performance.now());
    }
  }

  #tell(): void {
    for (const wake of this.#wake.splice(0)) wake();
  }
}
