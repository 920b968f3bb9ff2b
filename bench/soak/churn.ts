/** Clients that come and go, politely or not, of every kind: what they leave behind is what a soak is for. */
import { WebSocket } from 'ws';

const STREAMS = 50;
const LANES = 8;
const PAUSE_MS = 5;

export interface ChurnTotals {
  visits: number;
  failed: number;
}

export class Churn {
  readonly totals: ChurnTotals = { visits: 0, failed: 0 };
  readonly #http: string;
  readonly #ws: string;
  #isStopped = false;
  readonly #lanes: Promise<unknown>;

  constructor(gateway: { readonly http: string; readonly ws: string }) {
    this.#http = gateway.http;
    this.#ws = gateway.ws;
    this.#lanes = Promise.all(Array.from({ length: LANES }, () => this.#lane()));
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#lanes;
  }

  async #lane(): Promise<void> {
    while (!this.#isStopped) {
      const number = this.totals.visits++;
      // While Redis is away many are refused, which is as it should be.
      await this.#visit(number).catch(() => {
        this.totals.failed++;
      });
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }

  async #visit(number: number): Promise<void> {
    const sid = `churn${number % STREAMS}`;
    if (number % 10 === 9) {
      await (await fetch(`${this.#http}/data/${sid}?last_entry_id=0&latest=1&block=50`)).arrayBuffer();
    } else if (number % 10 === 8) {
      await (await fetch(`${this.#http}/data/${sid}`, { method: 'POST', body: 'x'.repeat(100) })).text();
    } else if (number % 10 === 7) {
      const query = encodeURIComponent('{ streams { id length } }');
      await (await fetch(`${this.#http}/graphql?query=${query}`)).text();
    } else if (number % 2 === 0) {
      await this.#connect(`push?ack=1`, sid, number, (ws) => {
        ws.send('[]');
        if (number % 4 === 0) ws.send(Buffer.alloc(number % 3000));
      });
    } else {
      const query = ['', 'header=0', 'last_entry_id=0&header=msgpack', 'latest=1&block=10', 'ack=1'][
        number % 5
      ];
      await this.#connect(`pull?${query}`, sid, number, () => {});
    }
  }

  async #connect(path: string, sid: string, number: number, use: (ws: WebSocket) => void): Promise<void> {
    const ws = new WebSocket(`${this.#ws}/data/${sid}/${path}`, { perMessageDeflate: false });
    ws.on('error', () => {});
    const closed = new Promise((resolve) => ws.once('close', resolve));
    await new Promise((resolve, reject) => ws.once('open', resolve).once('error', reject));
    use(ws);
    if (number % 3 === 0) ws.terminate();
    else ws.close();
    await closed;
  }
}
