/**
 * Read commands on a shared connection that one of them cannot take away from the others.
 *
 * Redis closes a connection whose replies exceed `client-output-buffer-limit`, and all that was asked on it is
 * lost. So each command that was lost is sent once more, alone on a second connection. One that Redis closes
 * that at too is the culprit, and fails; all others are answered.
 */
import { Failure } from '../protocol/errors.js';
import { CommandConnection, ConnectionDropped } from './command-connection.js';
import type { ReplyCursor } from './resp.js';
import type { RedisTarget } from './target.js';

/** Redis closed the connection rather than answer this one command. */
export class ReplyDropped extends Failure {
  constructor() {
    super(
      'redis_error',
      'Redis closed the connection instead of sending these entries: they exceed its client-output-buffer-limit',
    );
  }
}

interface Lost {
  send(): Promise<void>;
  reject(cause: Failure): void;
}

export class IsolatingReads {
  readonly #shared: CommandConnection;
  readonly #lone: CommandConnection;
  /** Commands that were lost with the shared connection. */
  readonly #lost: Lost[] = [];
  #isResending = false;

  constructor(target: RedisTarget, role: string) {
    this.#shared = new CommandConnection(target, role);
    this.#lone = new CommandConnection(target, role);
  }

  /**
   * Sends a command that only reads; its reply is read by `take`, during whose call alone the cursor is valid.
   * @throws Failure `redis_unavailable`; ReplyDropped; what `take` throws
   */
  async send<T>(command: Buffer, take: (reply: ReplyCursor) => T): Promise<T> {
    try {
      return await this.#shared.send(command, take);
    } catch (error) {
      if (!(error instanceof ConnectionDropped)) throw error;
      return this.#sendAgain(command, take);
    }
  }

  /** Sends at once what would be sent at the end of the turn. */
  flush(): void {
    this.#shared.flush();
  }

  close(): void {
    this.#shared.close();
    this.#lone.close();
  }

  #sendAgain<T>(command: Buffer, take: (reply: ReplyCursor) => T): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#lost.push({ send: () => this.#lone.send(command, take).then(resolve), reject });
      if (!this.#isResending) void this.#resend();
    });
  }

  /** One at a time, so that it is known which one is at fault. */
  async #resend(): Promise<void> {
    this.#isResending = true;
    for (let lost = this.#lost.shift(); lost !== undefined; lost = this.#lost.shift()) {
      try {
        await lost.send();
      } catch (error) {
        const failure = error as Failure;
        if (failure instanceof ConnectionDropped) {
          lost.reject(new ReplyDropped());
          continue;
        }
        lost.reject(failure);
        // Redis is away: each of the others would wait for it as long.
        if (failure.code !== 'redis_unavailable') continue;
        for (const other of this.#lost.splice(0)) other.reject(failure);
      }
    }
    this.#isResending = false;
  }
}
