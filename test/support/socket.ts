/** A WebSocket client for tests: frames are awaited one by one, none is lost in between. */
import { WebSocket } from 'ws';

export interface Closing {
  readonly code: number;
  readonly reason: string;
}

export class TestSocket {
  readonly ws: WebSocket;
  readonly #frames: (string | Buffer)[] = [];
  readonly #waiting: ((frame: string | Buffer | undefined) => void)[] = [];
  readonly closed: Promise<Closing>;

  private constructor(ws: WebSocket) {
    this.ws = ws;
    ws.on('message', (data, isBinary) => {
      const frame = isBinary ? (data as Buffer) : data.toString();
      const waiting = this.#waiting.shift();
      if (waiting) waiting(frame);
      else this.#frames.push(frame);
    });
    this.closed = new Promise((resolve) => {
      ws.on('close', (code, reason) => {
        for (const waiting of this.#waiting.splice(0)) waiting(undefined);
        resolve({ code, reason: reason.toString() });
      });
    });
  }

  /** Resolves once open; rejects with `{ status, body }` in the message where the upgrade is refused. */
  static open(url: string, headers: Record<string, string> = {}): Promise<TestSocket> {
    const ws = new WebSocket(url, { headers, perMessageDeflate: false, maxPayload: 1 << 30 });
    const socket = new TestSocket(ws);
    return new Promise((resolve, reject) => {
      ws.once('open', () => resolve(socket));
      ws.once('error', reject);
      ws.once('unexpected-response', (_request, response) => {
        let body = '';
        response.on('data', (chunk) => {
          body += chunk;
        });
        response.on('end', () => reject(new Error(`${response.statusCode} ${body}`)));
      });
    });
  }

  /** Frames that came and were not taken. */
  get pending(): number {
    return this.#frames.length;
  }

  send(...frames: (string | Uint8Array)[]): void {
    for (const frame of frames) this.ws.send(frame);
  }

  /** The next frame; rejects where the connection closes instead. */
  async receive(): Promise<string | Buffer> {
    const frame =
      this.#frames.shift() ??
      (await new Promise<string | Buffer | undefined>((resolve) => {
        if (this.ws.readyState === WebSocket.CLOSED) resolve(undefined);
        else this.#waiting.push(resolve);
      }));
    if (frame === undefined) {
      const { code, reason } = await this.closed;
      throw new Error(`the connection was closed: ${code} ${reason}`);
    }
    return frame;
  }

  async receiveJson<T = unknown>(): Promise<T> {
    return JSON.parse((await this.receive()) as string) as T;
  }

  /** Sends a message in header mode 1 and returns its acks. */
  async push(
    header: unknown,
    payload: Uint8Array | string,
  ): Promise<(string | { code: string; error: string })[]> {
    this.send(JSON.stringify(header), Buffer.from(payload));
    return this.receiveJson();
  }

  async close(): Promise<Closing> {
    this.ws.close();
    return this.closed;
  }
}
