/** The TypeScript client, driven by a test: `protocol.ts` says how. */
import { createInterface } from 'node:readline';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { type Entry, type Gap, type Producer, Streamgate } from '../../src/client/node.js';
import { makeFrame, makePayload, toldEntry, toldError, toldGap } from './driver-values.js';
import type { NewEntry, Outcome, ToldError, Verbs } from './protocol.js';

function tell(message: object): void {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}

/** What a consumer may take before it waits. */
class Credit {
  #left: number;
  #wake: (() => void) | undefined;

  constructor(entries: number) {
    this.#left = entries;
  }

  add(entries: number): void {
    this.#left += entries;
    this.#wake?.();
  }

  async take(): Promise<void> {
    while (this.#left === 0) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    this.#left--;
  }
}

interface RunningPull {
  readonly credit: Credit;
  readonly abort: AbortController;
  isLeaving: boolean;
  ended: Promise<void>;
}

interface Load {
  readonly sent: Promise<Outcome>[];
  mostUnsettled: number;
  isOver: boolean;
  done: Promise<void>;
}

const outcomeOf = (sent: Promise<string>): Promise<Outcome> => sent.catch(toldError);

class Client {
  #gate!: Streamgate;
  readonly #pulls = new Map<string, RunningPull>();
  readonly #producers = new Map<string, Producer>();
  readonly #aborts = new Map<string, AbortController>();
  readonly #loads = new Map<string, Load>();
  readonly #over = new AbortController();

  open({ url, ...options }: Verbs['open'][0]): void {
    this.#gate = new Streamgate(url, options);
  }

  append({ stream, data }: Verbs['append'][0]) {
    return this.#gate.append(stream, makePayload(data));
  }

  async latest({ stream }: Verbs['latest'][0]) {
    const entry = await this.#gate.latest(stream);
    return entry && toldEntry(entry);
  }

  async read({ streams, ...options }: Verbs['read'][0]) {
    const { entries, cursor } = await this.#gate.read(streams, options);
    return { entries: entries.map(toldEntry), cursor };
  }

  graphql({ query, variables }: Verbs['graphql'][0]) {
    return this.#gate.graphql(query, variables);
  }

  streams() {
    return this.#gate.streams();
  }

  devices() {
    return this.#gate.devices();
  }

  connectDevice({ device, meta }: Verbs['connectDevice'][0]) {
    return this.#gate.connectDevice(device, meta as Record<string, unknown>);
  }

  disconnectDevice({ device }: Verbs['disconnectDevice'][0]) {
    return this.#gate.disconnectDevice(device);
  }

  streamMeta({ stream }: Verbs['streamMeta'][0]) {
    return this.#gate.streamMeta(stream);
  }

  updateStreamMeta({ stream, meta, merge }: Verbs['updateStreamMeta'][0]) {
    return this.#gate.updateStreamMeta(stream, meta as Record<string, unknown>, { merge });
  }

  deleteStream({ stream }: Verbs['deleteStream'][0]) {
    return this.#gate.deleteStream(stream);
  }

  pull({ name, streams, credit = Number.POSITIVE_INFINITY, gaps, ...options }: Verbs['pull'][0]): void {
    const abort = new AbortController();
    const entries = this.#gate.pull(streams, {
      ...options,
      ...(gaps ? { onGap: (gap: Gap) => tell({ pull: name, gap: toldGap(gap) }) } : {}),
      signal: AbortSignal.any([abort.signal, this.#over.signal]),
    });
    const running = { credit: new Credit(credit), abort, isLeaving: false, ended: Promise.resolve() };
    running.ended = consume(name, entries, running);
    this.#pulls.set(name, running);
  }

  credit({ name, entries }: Verbs['credit'][0]): void {
    this.#pulls.get(name)!.credit.add(entries);
  }

  leave({ name }: Verbs['leave'][0]) {
    const pull = this.#pulls.get(name)!;
    pull.isLeaving = true;
    pull.credit.add(1);
    return pull.ended;
  }

  cancel({ name }: Verbs['cancel'][0]) {
    const pull = this.#pulls.get(name)!;
    pull.abort.abort();
    return pull.ended;
  }

  push({ name, stream, ...options }: Verbs['push'][0]): void {
    const abort = new AbortController();
    const signal = AbortSignal.any([abort.signal, this.#over.signal]);
    this.#producers.set(name, this.#gate.push(stream, { ...options, signal }));
    this.#aborts.set(name, abort);
  }

  send({ name, entries }: Verbs['send'][0]): Promise<Outcome[]> {
    const producer = this.#producers.get(name)!;
    const send = ({ data, ...options }: NewEntry) => outcomeOf(producer.send(makePayload(data), options));
    return Promise.all(entries.map(send));
  }

  load({ name, writer, bytes, window }: Verbs['load'][0]): void {
    const load = { sent: [], mostUnsettled: 0, isOver: false, done: Promise.resolve() };
    load.done = produce(load, this.#producers.get(name)!, writer, bytes, window);
    this.#loads.set(name, load);
  }

  async unload({ name }: Verbs['unload'][0]) {
    const load = this.#loads.get(name)!;
    load.isOver = true;
    await load.done;
    return { outcomes: await Promise.all(load.sent), mostUnsettled: load.mostUnsettled };
  }

  flush({ name }: Verbs['flush'][0]) {
    return this.#producers.get(name)!.flush();
  }

  close({ name }: Verbs['close'][0]) {
    return this.#producers.get(name)!.close();
  }

  abort({ name }: Verbs['abort'][0]): void {
    this.#aborts.get(name)!.abort();
  }

  async drop(): Promise<void> {
    for (const load of this.#loads.values()) load.isOver = true;
    this.#over.abort();
    await Promise.all(
      [...this.#pulls.values()].map(({ credit, ended }) => {
        credit.add(1);
        return ended;
      }),
    );
  }
}

async function consume(name: string, entries: AsyncIterable<Entry>, pull: RunningPull): Promise<void> {
  let ended: ToldError | null = null;
  try {
    for await (const entry of entries) {
      tell({ pull: name, entry: toldEntry(entry) });
      await pull.credit.take();
      if (pull.isLeaving) break;
    }
  } catch (error) {
    ended = toldError(error);
  }
  tell({ pull: name, ended });
}

async function produce(
  load: Load,
  producer: Producer,
  writer: string,
  bytes: number,
  window: number,
): Promise<void> {
  let unsettled = 0;
  const room = new Credit(window);
  while (!load.isOver) {
    await room.take();
    await producer.ready;
    const outcome = outcomeOf(producer.send(makeFrame(writer, load.sent.length, bytes)));
    load.mostUnsettled = Math.max(load.mostUnsettled, ++unsettled);
    void outcome.then(() => {
      unsettled--;
      room.add(1);
    });
    load.sent.push(outcome);
    await nextTurn();
  }
}

const clients = new Map<number, Client>();

async function answer({ client, call, do: verb, ...parameters }: Record<string, unknown>): Promise<void> {
  const known = clients.get(client as number) ?? new Client();
  clients.set(client as number, known);
  const verbs = known as unknown as Record<string, (parameters: object) => unknown>;
  try {
    tell({ call, value: (await verbs[verb as string]!(parameters)) ?? null });
  } catch (error) {
    tell({ call, error: toldError(error) });
  }
}

createInterface(process.stdin)
  .on('line', (line) => void answer(JSON.parse(line)))
  .on('close', () => process.exit());
