/** What workers ask one another, passed on and gathered. */
import { KeptTotals } from './kept-totals.js';
import type { FromWorker } from './messages.js';
import type { MetricSnapshot } from './metric-sums.js';
import type { WorkerProcess } from './worker-process.js';

/** How long one that is asked may take. */
const ANSWER_MS = 1000;

type Ask = Extract<FromWorker, { type: 'ask' }>;

interface Inquiry {
  readonly asker: WorkerProcess;
  readonly ask: Ask;
  readonly missing: Set<WorkerProcess>;
  readonly answers: Map<WorkerProcess, unknown>;
  readonly timer: NodeJS.Timeout;
}

/** How many workers there are to be, and how often one was replaced. */
export interface Staff {
  readonly size: number;
  readonly replaced: number;
  /** Those that serve. */
  readonly listening: readonly WorkerProcess[];
}

export class Inquiries {
  readonly #staff: Staff;
  readonly #open = new Map<number, Inquiry>();
  /** Those that owe an answer: they are not asked until they have given it, or halted ones would be sent more and more. */
  readonly #owing = new Set<WorkerProcess>();
  readonly #totals = new KeptTotals<WorkerProcess>();
  #count = 0;

  constructor(staff: Staff) {
    this.#staff = staff;
  }

  /** A worker wants to know something of all others. */
  begin(asker: WorkerProcess, ask: Ask): void {
    const id = ++this.#count;
    const others = this.#staff.listening.filter((worker) => worker !== asker && !this.#owing.has(worker));
    const inquiry: Inquiry = {
      asker,
      ask,
      missing: new Set(others),
      answers: new Map(),
      timer: setTimeout(() => this.#end(id), ANSWER_MS),
    };
    this.#open.set(id, inquiry);
    this.#note(inquiry, asker, ask.own);
    for (const worker of others) {
      worker.send({ type: 'question', id, topic: ask.topic, question: ask.question });
    }
    this.#endIfComplete(id);
  }

  /** A worker has answered. */
  answered(worker: WorkerProcess, id: number, answer: unknown): void {
    this.#owing.delete(worker);
    const inquiry = this.#open.get(id);
    if (inquiry === undefined) return;
    inquiry.missing.delete(worker);
    if (answer !== undefined) this.#note(inquiry, worker, answer);
    this.#endIfComplete(id);
  }

  /** A worker has ended. */
  left(worker: WorkerProcess): void {
    this.#totals.keep(worker);
    this.#owing.delete(worker);
    for (const [id, { missing, answers }] of this.#open) {
      missing.delete(worker);
      // Its totals are among those of the ended ones now.
      answers.delete(worker);
      this.#endIfComplete(id);
    }
  }

  #note({ answers, ask }: Inquiry, worker: WorkerProcess, answer: unknown): void {
    answers.set(worker, answer);
    if (ask.topic === 'metrics') this.#totals.note(worker, answer as readonly MetricSnapshot[]);
  }

  #endIfComplete(id: number): void {
    if (this.#open.get(id)?.missing.size === 0) this.#end(id);
  }

  #end(id: number): void {
    const { asker, ask, missing, answers, timer } = this.#open.get(id)!;
    this.#open.delete(id);
    clearTimeout(timer);
    for (const worker of missing) this.#owing.add(worker);
    const others: unknown[] = [];
    for (const [worker, answer] of answers) if (worker !== asker) others.push(answer);
    if (ask.topic === 'metrics') others.push(...this.#totals.others(answers), this.#ownMetrics(answers));
    asker.send({ type: 'answers', id: ask.id, answers: others });
  }

  /** What only the supervisor knows, under metrics that each worker has with zeros. */
  #ownMetrics(answers: { has(worker: WorkerProcess): boolean }): MetricSnapshot[] {
    const { size, replaced, listening } = this.#staff;
    const silent = listening.filter((worker) => !answers.has(worker)).length;
    const states = { silent, starting: size - listening.length };
    const metric = { help: '', aggregator: 'sum' } as const;
    return [
      {
        ...metric,
        name: 'streamgate_workers',
        type: 'gauge',
        values: Object.entries(states).map(([state, value]) => ({ labels: { state }, value })),
      },
      {
        ...metric,
        name: 'streamgate_workers_replaced_total',
        type: 'counter',
        values: [{ labels: {}, value: replaced }],
      },
    ];
  }
}
