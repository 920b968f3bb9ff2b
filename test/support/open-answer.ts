/** An answer that stays open, read at a pace of one's own. */
import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import type { GatewayProcess } from './gateway-process.js';

export class OpenAnswer {
  readonly response: IncomingMessage;
  readonly #chunks: AsyncIterator<Buffer>;
  #received = Buffer.alloc(0);

  private constructor(response: IncomingMessage) {
    this.response = response;
    this.#chunks = response[Symbol.asyncIterator]();
  }

  static async open(
    { port }: Pick<GatewayProcess, 'port'>,
    path: string,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<OpenAnswer> {
    const asking = request({ port, host: '127.0.0.1', path, headers });
    asking.on('error', () => {});
    asking.end();
    const [response] = (await once(asking, 'response')) as [IncomingMessage];
    response.on('error', () => {});
    return new OpenAnswer(response);
  }

  /** What comes before `end`, which is taken too. Nothing is read from the socket before it is asked for. */
  async until(end: string): Promise<Buffer> {
    let from = 0;
    for (;;) {
      const at = this.#received.indexOf(end, from);
      if (at >= 0) return this.#take(at, at + end.length);
      from = Math.max(this.#received.length - end.length, 0);
      await this.#read();
    }
  }

  async bytes(count: number): Promise<Buffer> {
    while (this.#received.length < count) await this.#read();
    return this.#take(count, count);
  }

  /** The rest, once the gateway has ended the answer; rejects where it breaks off. */
  async rest(): Promise<Buffer> {
    for (;;) {
      const { value, done } = await this.#chunks.next();
      if (done) return this.#received;
      this.#received = Buffer.concat([this.#received, value]);
    }
  }

  leave(): void {
    this.response.destroy();
  }

  #take(length: number, behind: number): Buffer {
    const taken = this.#received.subarray(0, length);
    this.#received = this.#received.subarray(behind);
    return taken;
  }

  async #read(): Promise<void> {
    const { value, done } = await this.#chunks.next();
    if (done) throw new Error(`it has ended with ${JSON.stringify(this.#received.toString().slice(0, 200))}`);
    this.#received = Buffer.concat([this.#received, value]);
  }
}

export interface FramePart {
  readonly type: string;
  readonly id: string;
  readonly bytes: Buffer;
}

/** Reads the next part of a `multipart/x-mixed-replace` to the boundary behind it. */
export async function nextFrame(answer: OpenAnswer, boundary: string): Promise<FramePart> {
  const head = (await answer.until('\r\n\r\n')).toString();
  const fields = new Map(
    head
      .split('\r\n')
      .filter((line) => line !== `--${boundary}`)
      .map((line) => line.split(': ', 2) as [string, string]),
  );
  const bytes = await answer.bytes(Number(fields.get('Content-Length')));
  const rest = await answer.until(`--${boundary}\r\n`);
  if (rest.toString() !== '\r\n') throw new Error(`between frame and boundary: ${rest}`);
  return { type: fields.get('Content-Type')!, id: fields.get('X-Entry-Id')!, bytes };
}

export interface ReceivedEvent {
  readonly id?: string;
  readonly event?: string;
  readonly data: string;
}

/** Reads the next event as an EventSource would; comments and what has no data are left out. */
export async function nextEvent(answer: OpenAnswer): Promise<ReceivedEvent> {
  for (;;) {
    const lines = (await answer.until('\n\n')).toString().split('\n');
    const fields = lines.map((line) => /^([a-z]*): ?(.*)$/s.exec(line) ?? ['', '', '']);
    const valuesOf = (name: string) =>
      fields.filter(([, field]) => field === name).map(([, , value]) => value!);
    const data = valuesOf('data');
    if (data.length === 0) continue;
    const [id] = valuesOf('id');
    const [event] = valuesOf('event');
    return {
      ...(id === undefined ? {} : { id }),
      ...(event === undefined ? {} : { event }),
      data: data.join('\n'),
    };
  }
}
