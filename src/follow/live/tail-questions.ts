/**
 * Asks Redis where streams end. An answer costs it a copy of the stream's first and last entry, so that a
 * client that asked a hundred times for a stream of large frames would hold up everyone. So of each stream
 * one question is under way at a time, and whoever comes meanwhile shares the one that follows: it is asked
 * after they came, as all of them need it.
 */
import type { Control } from '../../redis/control.js';
import type { StreamEnd } from './noted-ends.js';

interface Asked {
  readonly answer: Promise<StreamEnd>;
  /** For those who came since. */
  next: Promise<StreamEnd> | undefined;
}

const endOf = ([id, added]: readonly [string, number]): StreamEnd => ({ id, added });

const ofConnection = new WeakMap<Control, TailQuestions>();

export class TailQuestions {
  readonly #control: Control;
  readonly #asked = new Map<string, Asked>();

  private constructor(control: Control) {
    this.#control = control;
  }

  static of(control: Control): TailQuestions {
    let questions = ofConnection.get(control);
    if (questions === undefined) {
      questions = new TailQuestions(control);
      ofConnection.set(control, questions);
    }
    return questions;
  }

  /** Where each stream ends, as of now or later; rejects with what Redis or ioredis says. */
  ask(keys: readonly string[]): Promise<StreamEnd[]> {
    const shared = new Map(
      keys.filter((key) => this.#asked.has(key)).map((key) => [key, this.#askNext(key)] as const),
    );
    const own = this.#send(keys.filter((key) => !shared.has(key)));
    return Promise.all(keys.map((key) => shared.get(key) ?? own.get(key)!));
  }

  #askNext(key: string): Promise<StreamEnd> {
    const asked = this.#asked.get(key)!;
    asked.next ??= asked.answer.catch(() => {}).then(() => this.#send([key]).get(key)!);
    return asked.next;
  }

  /** In one round trip. */
  #send(keys: readonly string[]): ReadonlyMap<string, Promise<StreamEnd>> {
    const answers = new Map<string, Promise<StreamEnd>>();
    // A single stream needs no pipeline object.
    if (keys.length === 1 || !this.#control.takesManyKeys) {
      for (const key of keys) {
        answers.set(key, this.#control.of(key, (redis) => redis.streamTail(key)).then(endOf));
      }
    } else if (keys.length > 1) {
      const replies = this.#control.of(keys[0]!, (redis) =>
        keys.reduce((pipeline, key) => pipeline.streamTail(key), redis.pipeline()).exec(),
      );
      keys.forEach((key, index) => {
        const answer = replies.then((all) => {
          const [error, reply] = all![index]!;
          if (error) throw error;
          return endOf(reply as [string, number]);
        });
        answers.set(key, answer);
      });
    }
    for (const [key, answer] of answers) this.#note(key, answer);
    return answers;
  }

  #note(key: string, answer: Promise<StreamEnd>): void {
    const asked: Asked = { answer, next: undefined };
    this.#asked.set(key, asked);
    const answered = () => {
      if (asked.next === undefined) this.#asked.delete(key);
    };
    answer.then(answered, answered);
  }
}
