/** Writers that all store the same bytes in one stream: through the gateway, and beside it. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { WebSocket } from 'ws';

const PAYLOAD = Buffer.from('on');
/** Frames of a socket that are under way at once. */
const WINDOW = 64;

/** A push socket with acks that sends the same frame again and again. */
export class EqualProducer {
  readonly acked: string[] = [];
  readonly refused = new Map<string, number>();
  readonly #ws: WebSocket;
  #underWay = 0;
  #isDone = false;
  #whenDone: (() => void) | undefined;

  private constructor(ws: WebSocket) {
    this.#ws = ws;
    ws.on('message', (data) => this.#answered(JSON.parse(String(data))[0]));
    for (let frame = 0; frame < WINDOW; frame++) this.#send();
  }

  static open(url: string): Promise<EqualProducer> {
    const ws = new WebSocket(url, { perMessageDeflate: false });
    return new Promise((resolve, reject) => {
      ws.once('open', () => resolve(new EqualProducer(ws)));
      ws.once('error', reject);
    });
  }

  /** Sends no more, and resolves once all is answered. */
  finish(): Promise<void> {
    this.#isDone = true;
    const answered = new Promise<void>((resolve) => {
      this.#whenDone = resolve;
    });
    if (this.#underWay === 0) this.#whenDone?.();
    return answered.then(() => this.#ws.terminate());
  }

  #answered(ack: string | { readonly code: string }): void {
    this.#underWay--;
    if (typeof ack === 'string') this.acked.push(ack);
    else this.refused.set(ack.code, (this.refused.get(ack.code) ?? 0) + 1);
    if (!this.#isDone) this.#send();
    else if (this.#underWay === 0) this.#whenDone?.();
  }

  #send(): void {
    this.#underWay++;
    this.#ws.send(PAYLOAD);
  }
}

/** Stores the same bytes, and in the same step the id in a list, so that it is known whose each entry is. */
const STORE = `
local id = redis.call('XADD', KEYS[1], '*', 'd', 'on')
redis.call('RPUSH', KEYS[2], id)
`;

/** Writes to `key` until `isDone`, and the ids to the list `theirs`. */
export async function writeBeside(redis: Redis, key: string, isDone: () => boolean): Promise<void> {
  while (!isDone()) {
    try {
      await Promise.all(Array.from({ length: 8 }, () => redis.eval(STORE, 2, key, 'theirs')));
    } catch {
      // Redis is down: the list shows later what was stored.
      await delay(1);
    }
  }
}

export async function idsIn(redis: Redis, key: string): Promise<string[]> {
  const ids: string[] = [];
  for (let from = '-'; ; from = `(${ids.at(-1)}`) {
    const rows = await redis.xrange(key, from, '+', 'COUNT', 10_000);
    if (rows.length === 0) return ids;
    for (const [id] of rows) ids.push(id);
  }
}
