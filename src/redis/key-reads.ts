/** Commands that only read one key, asked of whichever server has it. */
import { IsolatingReads } from './isolating-reads.js';
import type { ReplyCursor } from './resp.js';
import type { RedisTarget } from './target.js';

export interface KeyReads {
  /** Whether a command may name several keys: not where they may be on several servers. */
  readonly takesManyKeys: boolean;
  /**
   * Sends a command that only reads; its reply is read by `take`, during whose call alone the cursor is valid.
   * @param key that it reads, the first of several
   * @throws Failure `redis_unavailable`; ReplyDropped; what `take` throws
   */
  send<T>(key: string, command: Buffer, take: (reply: ReplyCursor) => T): Promise<T>;
  /** Sends at once what would be sent at the end of the turn. */
  flush(): void;
  close(): void;
}

/** All keys are on one server. */
export class ServerReads implements KeyReads {
  readonly takesManyKeys = true;
  readonly #reads: IsolatingReads;

  constructor(target: RedisTarget, role: string) {
    this.#reads = new IsolatingReads(target, role);
  }

  send<T>(_key: string, command: Buffer, take: (reply: ReplyCursor) => T): Promise<T> {
    return this.#reads.send(command, take);
  }

  flush(): void {
    this.#reads.flush();
  }

  close(): void {
    this.#reads.close();
  }
}
