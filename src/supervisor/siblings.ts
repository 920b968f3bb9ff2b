/**
 * The other workers, as one of them sees them: it asks them by way of the supervisor, and answers what they ask.
 */
import type { FromWorker, Topic, Topics, ToWorker } from './messages.js';

/** The supervisor answers within half of it, unless it is halted itself. */
const PATIENCE_MS = 2000;

type Answerer<T extends Topic> = (
  question: Topics[T]['question'],
) => Topics[T]['answer'] | Promise<Topics[T]['answer']>;
/** Topics on which there is but one question. */
type PlainTopic = { [T in Topic]: Topics[T]['question'] extends undefined ? T : never }[Topic];

/** One that is under way, and the one after it if somebody waits for that. */
interface Round {
  readonly answers: Promise<unknown[]>;
  next?: Promise<unknown[]>;
}

export class Siblings {
  readonly #send: (message: FromWorker) => void;
  readonly #answerers = new Map<Topic, (question: never) => unknown>();
  readonly #waiting = new Map<number, (answers: readonly unknown[]) => void>();
  readonly #rounds = new Map<Topic, Round>();
  #asked = 0;

  /** @param send to the supervisor */
  constructor(send: (message: FromWorker) => void) {
    this.#send = send;
  }

  /** Sets how this worker answers. */
  onAsked<T extends Topic>(topic: T, answer: Answerer<T>): void {
    this.#answerers.set(topic, answer);
  }

  /**
   * The answers of all workers, this one's first. Those that do not answer within a second are left out; of metrics,
   * their last totals are among the answers.
   */
  async ask<T extends Topic>(topic: T, question: Topics[T]['question']): Promise<Topics[T]['answer'][]> {
    const own = (await this.#answer(topic, question)) as Topics[T]['answer'];
    const id = ++this.#asked;
    const others = await new Promise<readonly unknown[]>((resolve) => {
      const patience = setTimeout(() => this.#settle(id, []), PATIENCE_MS);
      this.#waiting.set(id, (answers) => {
        clearTimeout(patience);
        resolve(answers);
      });
      this.#send({ type: 'ask', id, topic, question, own });
    });
    return [own, ...(others as Topics[T]['answer'][])];
  }

  /** The same, but clients that ask at once share a question, so that a flood of requests does not reach the others. */
  askOnce<T extends PlainTopic>(topic: T): Promise<Topics[T]['answer'][]> {
    const round = this.#rounds.get(topic);
    // One that is under way may have missed what happened before this request.
    if (round !== undefined) round.next ??= round.answers.then(() => this.#begin(topic));
    return (round?.next ?? this.#begin(topic)) as Promise<Topics[T]['answer'][]>;
  }

  /** To be called with each message of the supervisor that is a question or answers. */
  async receive(message: Extract<ToWorker, { type: 'question' | 'answers' }>): Promise<void> {
    if (message.type === 'answers') {
      this.#settle(message.id, message.answers);
      return;
    }
    const { id, topic, question } = message;
    let answer: unknown;
    try {
      answer = await this.#answer(topic, question);
    } catch {
      // The one that asks counts this worker as one that did not answer.
    }
    this.#send({ type: 'answer', id, answer });
  }

  #answer(topic: Topic, question: unknown): unknown {
    return this.#answerers.get(topic)?.(question as never);
  }

  #begin(topic: PlainTopic): Promise<unknown[]> {
    const round: Round = { answers: this.ask(topic, undefined) };
    this.#rounds.set(topic, round);
    const end = () => {
      if (round.next === undefined) this.#rounds.delete(topic);
    };
    round.answers.then(end, end);
    return round.answers;
  }

  #settle(id: number, answers: readonly unknown[]): void {
    this.#waiting.get(id)?.(answers);
    this.#waiting.delete(id);
  }
}
