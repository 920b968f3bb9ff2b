/** A TCP client that sends what no library would, and keeps what comes. */
import { connect, type Socket } from 'node:net';

export interface RawClientOptions {
  /** An address of this machine to come from, such as 127.0.0.2. */
  readonly from?: string;
  /** Half-open connections stay as they are: an end by the server is not answered. */
  readonly keepsOpen?: boolean;
}

export class RawClient {
  readonly socket: Socket;
  readonly closed: Promise<void>;
  #received: Buffer[] = [];
  #isClosed = false;
  #hasEnded = false;
  #wake: (() => void)[] = [];

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.setNoDelay();
    socket.on('error', () => {}); // 'close' comes as well
    socket.on('data', (chunk) => {
      this.#received.push(chunk);
      this.#tell();
    });
    socket.on('end', () => {
      this.#hasEnded = true;
      this.#tell();
    });
    this.closed = new Promise((resolve) => {
      socket.on('close', () => {
        this.#isClosed = true;
        this.#hasEnded = true;
        this.#tell();
        resolve();
      });
    });
  }

  /** Resolves once connected, or refused: then it is closed. */
  static open(port: number, { from, keepsOpen }: RawClientOptions = {}): Promise<RawClient> {
    const socket = connect({
      port,
      host: '127.0.0.1',
      ...(from === undefined ? {} : { localAddress: from }),
      allowHalfOpen: keepsOpen ?? false,
    });
    const client = new RawClient(socket);
    return new Promise((resolve) => {
      for (const event of ['connect', 'close']) socket.once(event, () => resolve(client));
    });
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Whether the server has said that it sends nothing more. */
  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /** All that came so far. */
  get bytes(): Buffer {
    if (this.#received.length > 1) this.#received = [Buffer.concat(this.#received)];
    return this.#received[0] ?? Buffer.alloc(0);
  }

  get text(): string {
    return this.bytes.toString('latin1');
  }

  /** The statuses of the answers that came so far. */
  get statuses(): number[] {
    return [...this.text.matchAll(/HTTP\/1\.1 (\d{3})/g)].map(([, status]) => Number(status));
  }

  /** @param bytes text is sent as Latin-1: a character is a byte */
  send(bytes: string | Uint8Array): void {
    this.socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes);
  }

  /** The same, resolved once the system has taken it, or the connection is gone, and others had their turn. */
  flush(bytes: string | Uint8Array): Promise<void> {
    const sent = typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes;
    return new Promise((resolve) => this.socket.write(sent, () => setImmediate(resolve)));
  }

  /** Resolves once `isThere` holds or nothing more can come. */
  async until(isThere: () => boolean): Promise<void> {
    while (!isThere() && !this.#hasEnded) await new Promise<void>((resolve) => this.#wake.push(resolve));
  }

  pause(): void {
    this.socket.pause();
  }

  /** Leaves without a goodbye. */
  destroy(): void {
    this.socket.destroy();
  }

  #tell(): void {
    for (const wake of this.#wake.splice(0)) wake();
  }
}

/** The request that opens a WebSocket. @param headers lines with their line breaks */
export function upgradeRequest(path: string, headers = '', host = 'localhost'): string {
  return (
    `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
    `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n${headers}\r\n`
  );
}

export interface FrameParts {
  /** FIN, the reserved bits and the opcode. */
  readonly first: number;
  readonly payload?: Uint8Array | string;
  readonly masked?: boolean;
  /** A length that is said in place of the payload's own, in the form of so many bytes. */
  readonly said?: { readonly length: bigint; readonly bytes: 0 | 2 | 8 };
}

export const BINARY = 0x82;
export const TEXT = 0x81;
export const CLOSE = 0x88;
export const PING = 0x89;

/** A WebSocket frame (RFC 6455 §5.2). */
export function frame({ first, payload = '', masked = true, said }: FrameParts): Buffer {
  const bytes = Buffer.from(payload as string);
  const length = said?.length ?? BigInt(bytes.length);
  const form = said?.bytes ?? (length < 126n ? 0 : length < 65_536n ? 2 : 8);
  const head = Buffer.alloc(2 + form);
  head[0] = first;
  head[1] = (masked ? 0x80 : 0) | (form === 0 ? Number(length) : form === 2 ? 126 : 127);
  if (form === 2) head.writeUInt16BE(Number(length), 2);
  if (form === 8) head.writeBigUInt64BE(length, 2);
  if (!masked) return Buffer.concat([head, bytes]);
  const mask = Buffer.of(1, 2, 3, 4);
  const whole = Buffer.concat([head, mask, bytes]);
  for (let at = head.length + 4; at < whole.length; at++) whole[at]! ^= mask[(at - head.length) & 3]!;
  return whole;
}

export interface SentFrame {
  readonly opcode: number;
  readonly payload: Buffer;
}

/** The frames of a server that came after its answer to the upgrade. */
export function framesIn(received: Buffer): SentFrame[] {
  const frames: SentFrame[] = [];
  let at = received.indexOf('\r\n\r\n') + 4;
  if (at < 4) return frames;
  while (at + 2 <= received.length) {
    let length = received[at + 1]! & 0x7f;
    let start = at + 2;
    if (length === 126) {
      length = received.readUInt16BE(start);
      start += 2;
    } else if (length === 127) {
      length = Number(received.readBigUInt64BE(start));
      start += 8;
    }
    if (start + length > received.length) break;
    frames.push({ opcode: received[at]! & 0xf, payload: received.subarray(start, start + length) });
    at = start + length;
  }
  return frames;
}

/** Opens a WebSocket by hand. @returns the client once the server has answered */
export async function openRaw(
  port: number,
  path: string,
  headers = '',
  options: RawClientOptions = {},
): Promise<RawClient> {
  const client = await RawClient.open(port, options);
  client.send(upgradeRequest(path, headers));
  await client.until(() => client.text.includes('\r\n\r\n'));
  return client;
}
