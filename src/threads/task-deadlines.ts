/** Gives up on tasks that take too long: one timer for all, since most last a millisecond. */

const LOOK_MS = 250;

interface Waiting {
  readonly deadline: number;
  giveUp(): void;
}

export class TaskDeadlines {
  readonly #limitMs: number;
  readonly #failure: () => Error;
  /** In the order of their deadlines, since all have the same time. */
  readonly #waiting = new Set<Waiting>();
  #timer: NodeJS.Timeout | undefined;

  /** @param limitMs what a task may take @param failure what one is rejected with that takes longer */
  constructor(limitMs: number, failure: () => Error) {
    this.#limitMs = limitMs;
    this.#failure = failure;
  }

  /** What the task comes to, in time. */
  hold<T>(task: Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const waiting = {
        deadline: performance.now() + this.#limitMs,
        giveUp: () => reject(this.#failure()),
      };
      this.#waiting.add(waiting);
      this.#timer ??= setInterval(() => this.#look(), LOOK_MS);
      task.then(resolve, reject).finally(() => this.#waiting.delete(waiting));
    });
  }

  close(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #look(): void {
    const now = performance.now();
    for (const waiting of this.#waiting) {
      if (waiting.deadline > now) break;
      this.#waiting.delete(waiting);
      waiting.giveUp();
    }
    if (this.#waiting.size === 0) this.close();
  }
}
