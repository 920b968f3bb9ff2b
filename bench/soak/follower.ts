/** A follower that stays for the whole soak on one socket, and keeps a digest of what it was sent. */
import { WebSocket } from 'ws';
import { splitMessage, unpackMessage } from '../../test/support/stream-follower.js';
import { Digest } from './checker.js';

export class SoakFollower {
  readonly digest = new Digest();
  readonly #ws: WebSocket;
  readonly name: string;
  /** The first thing that was not as it should be, the connection's end included. */
  fault: Error | undefined;
  #header: string | undefined;

  private constructor(name: string, ws: WebSocket) {
    this.name = name;
    this.#ws = ws;
    ws.on('message', (data, isBinary) => {
      try {
        this.#take(data as Buffer, isBinary);
      } catch (error) {
        this.fault ??= error as Error;
      }
    });
    ws.on('error', () => {});
    ws.on('close', (code, reason) => {
      this.fault ??= new Error(`closed: ${code} ${reason}`);
    });
  }

  static async open(name: string, url: string): Promise<SoakFollower> {
    const ws = new WebSocket(url, { perMessageDeflate: false, maxPayload: 1 << 30 });
    const follower = new SoakFollower(name, ws);
    await new Promise((resolve, reject) => ws.once('open', resolve).once('error', reject));
    return follower;
  }

  close(): void {
    this.#ws.removeAllListeners('close');
    this.#ws.close();
  }

  #take(data: Buffer, isBinary: boolean): void {
    if (!isBinary) {
      this.#header = data.toString();
      return;
    }
    const header = this.#header;
    this.#header = undefined;
    const entries = header === undefined ? unpackMessage(data) : splitMessage(header, data);
    for (const [, id, payload] of entries) this.digest.add(id, payload);
  }
}
