/**
 * Readers with `gaps=1` of every kind. Each keeps what it was sent and which losses were reported.
 *
 * The entries' ids are `ms-number`, with a number that no other entry of the test has.
 */
import { WebSocket } from 'ws';
import type { GatewayProcess } from './gateway-process.js';
import { readEntries } from './http.js';

export interface ReportedGap {
  /** How many entries had come before the report. */
  readonly at: number;
  readonly after: string;
  readonly resumed_at: string;
}

export const numberOf = (id: string): number => Number(id.slice(id.indexOf('-') + 1));

export class GapReader {
  readonly name: string;
  /** The number of the last entry before the reader's first. */
  readonly start: number;
  /** The numbers of the entries that came, in order. */
  readonly numbers: number[] = [];
  readonly gaps: ReportedGap[] = [];
  close: () => unknown = () => {};
  #wake: () => void = () => {};

  constructor(name: string, start: number) {
    this.name = name;
    this.start = start;
  }

  take(id: string): void {
    this.numbers.push(numberOf(id));
    this.#wake();
  }

  report({ after, resumed_at }: Omit<ReportedGap, 'at'>): void {
    this.gaps.push({ at: this.numbers.length, after, resumed_at });
  }

  /** Waits for an entry. */
  async until(number: number): Promise<void> {
    while (!this.numbers.includes(number)) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}

/** @param pause resolves when the client takes the next message, where `query` has `ack=1` */
export async function pullReader(
  gateway: GatewayProcess,
  sid: string,
  reader: GapReader,
  query: string,
  pause: () => Promise<unknown>,
): Promise<void> {
  const ws = new WebSocket(`${gateway.ws}/data/${sid}/pull?gaps=1&block=0&${query}`);
  ws.on('message', async (data, isBinary) => {
    if (isBinary) {
      if (!query.includes('ack=1')) return;
      await pause();
      if (ws.readyState === WebSocket.OPEN) ws.send('ok');
      return;
    }
    const message = JSON.parse(data.toString());
    if (Array.isArray(message)) for (const [, id] of message) reader.take(id);
    else reader.report(message.gap);
  });
  reader.close = () => ws.close();
  await new Promise((resolve, reject) => {
    ws.on('open', resolve);
    ws.on('error', reject);
  });
}

export async function eventReader(
  gateway: GatewayProcess,
  sid: string,
  reader: GapReader,
  query: string,
): Promise<void> {
  const abort = new AbortController();
  const answer = await fetch(`${gateway.http}/data/${sid}/events?gaps=1&${query}`, { signal: abort.signal });
  reader.close = () => abort.abort();
  void readEvents(answer, reader).catch((error) => {
    if (!abort.signal.aborted) throw error;
  });
}

async function readEvents(answer: Response, reader: GapReader): Promise<void> {
  let text = '';
  for await (const chunk of answer.body!.pipeThrough(new TextDecoderStream())) {
    const events = (text + chunk).split('\n\n');
    text = events.pop()!;
    for (const event of events) {
      const field = (name: string) => new RegExp(`^${name}: ?(.*)$`, 'm').exec(event)?.[1];
      if (field('event') === 'gap') reader.report(JSON.parse(field('data')!));
      else if (field('event') !== 'open' && field('data') !== undefined) reader.take(field('id')!);
    }
  }
}

/** Asks again and again, from the cursor of the last answer. */
export function pollingReader(
  gateway: GatewayProcess,
  sid: string,
  reader: GapReader,
  cursor: string,
  pause: () => Promise<unknown>,
): void {
  let isClosed = false;
  reader.close = () => {
    isClosed = true;
  };
  const poll = async () => {
    for (let after = cursor; !isClosed; ) {
      const address = `${gateway.http}/data/${sid}?gaps=1&count=3&block=20&last_entry_id=${after}`;
      const { entries, lastEntryId, response } = await readEntries(address);
      for (const gap of JSON.parse(response.headers.get('x-gap')!)) reader.report(gap);
      for (const [, id] of entries) reader.take(id);
      after = lastEntryId;
      await pause();
    }
  };
  void poll().catch((error) => {
    if (!isClosed) throw error;
  });
}
