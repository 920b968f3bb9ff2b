/**
 * Gateways on one Redis tell each other that their access files have changed, so that one signal is enough for all.
 *
 * A notice says nothing but that: each gateway reads its own files, so whoever may publish can grant nothing. One that
 * could not be told, since it or Redis was away, reads its files as soon as it listens again.
 */
import { randomUUID } from 'node:crypto';
import type { Redis } from 'ioredis';
import type { Logger } from '../system/logger.js';
import type { Control } from './control.js';

/** docs/access.md says it too: the user of the gateway in Redis needs the right to it. */
const CHANNEL = 'streamgate:access';
/** A dead connection, of which nothing else would tell, is noticed by TCP. */
const KEEP_ALIVE_MS = 10_000;
/** Of many notices at once one is enough. */
const LEAST_MS = 1000;

export class ReloadNotices {
  readonly #control: Control;
  readonly #logger: Logger;
  readonly #reload: () => void;
  readonly #unlisten: () => void;
  readonly #ownId = randomUUID();
  #listener: Redis | undefined;
  #isListening = false;
  #hasListened = false;
  #isToldOfRefusal = false;
  #timer: NodeJS.Timeout | undefined;

  /** @param reload called when another gateway has read its files again, or may have */
  constructor(control: Control, logger: Logger, reload: () => void) {
    this.#control = control;
    this.#logger = logger;
    this.#reload = reload;
    // In a cluster any node will do: they pass on what is published.
    this.#unlisten = control.onReady(() => this.#listen());
  }

  /** This gateway has read its files again. */
  async tell(): Promise<void> {
    const redis = this.#control.masters().find(({ status }) => status === 'ready');
    if (redis === undefined) {
      this.#logger.warn('other gateways are not told to read access control again: Redis cannot be reached');
      return;
    }
    await redis.publish(CHANNEL, this.#ownId).catch((error: Error) => this.#refused(error));
  }

  close(): void {
    this.#unlisten();
    clearTimeout(this.#timer);
    this.#listener?.disconnect();
  }

  #listen(): void {
    if (this.#isListening) return;
    this.#listener?.disconnect();
    const redis = this.#control.masters().find(({ status }) => status === 'ready');
    if (redis === undefined) return;
    const listener = redis.duplicate({
      connectionName: 'streamgate-notices',
      autoResubscribe: false,
      keepAlive: KEEP_ALIVE_MS,
    });
    this.#listener = listener;
    listener.on('error', (error: Error) => this.#logger.debug({ err: error.message }, 'reload notices'));
    listener.on('ready', () => {
      listener.subscribe(CHANNEL).then(
        () => this.#began(listener),
        (error: Error) => this.#refused(error),
      );
    });
    listener.on('message', (_channel, from) => {
      if (from !== this.#ownId) this.#soon();
    });
    listener.on('close', () => {
      if (this.#listener === listener) this.#isListening = false;
    });
  }

  #began(listener: Redis): void {
    if (this.#listener !== listener) return;
    this.#isListening = true;
    if (this.#hasListened) this.#soon();
    this.#hasListened = true;
  }

  #soon(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#reload();
    }, LEAST_MS);
  }

  #refused({ name, message }: Error): void {
    // Another attempt follows where the connection was lost.
    if (name !== 'ReplyError' || this.#isToldOfRefusal) return;
    this.#isToldOfRefusal = true;
    this.#logger.warn(
      { err: message },
      `Redis does not allow messages on the channel ${CHANNEL}: each gateway needs a SIGHUP of its own`,
    );
  }
}
