/** An answer that stays open, read at a pace of one's own. */
import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import type { GatewayProcess } from './gateway-process.js';

export class OpenAnswer {
  readonly response: IncomingMessage;
  readonly #chunks: AsyncIterator<Buffer>;
  /** What came and was not taken. */
  #held: Buffer[] = [];

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
    for (;;) {
      const held = this.#join();
      const at = held.indexOf(end);
      if (at >= 0) return this.#take(at, at + end.length);
      await this.#read();
    }
  }

  async bytes(count: number): Promise<Buffer> {
    // Joined once: large frames come in many pieces.
    let held = this.#join().length;
    while (held < count) held += await this.#read();
    return this.#take(count, count);
  }

  /** The rest, once the gateway has ended the answer; rejects where it breaks off. */
  async rest(): Promise<Buffer> {
    for (;;) {
      const { value, done } = await this.#chunks.next();
      if (done) return this.#join();
      this.#held.push(value);
    }
  }

  leave(): void {
    this.response.destroy();
  }

  #join(): Buffer {
    const joined = this.#held.length === 1 ? this.#held[0]! : Buffer.concat(this.#held);
    this.#held = [joined];
    return joined;
  }

  #take(length: number, behind: number): Buffer {
    const held = this.#join();
    this.#held = [held.subarray(behind)];
    return held.subarray(0, length);
  }

  /** @returns how many bytes came */
  async #read(): Promise<number> {
    const { value, done } = await this.#chunks.next();
    if (done) throw new Error(`it has ended with ${JSON.stringify(this.#join().toString().slice(0, 200))}`);
    this.#held.push(value);
    return value.length;
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
