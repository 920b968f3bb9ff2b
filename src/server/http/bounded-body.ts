/**
 * A request's body, within what all bodies that are being received may take together. One that is refused is
 * read to its end and dropped, so that its sender comes to read the refusal.
 */
import { asFailure, Failure } from '../../protocol/errors.js';
import type { Client } from '../admission/client-shares.js';
import type { HeldBytes } from '../admission/held-bytes.js';
import { ReceivedBody } from './received-body.js';

/** The request, by which the bytes are released where it is over before the body has come. */
export interface BodyHolder {
  readonly client: Client;
}

export class BoundedBody {
  readonly #bodies: HeldBytes;
  readonly #holder: BodyHolder;
  readonly #giveWay: () => void;
  readonly #declared: number;
  #received: ReceivedBody | undefined;
  #refusal: Failure | undefined;
  #hasBegun = false;

  /**
   * @param declared the Content-Length
   * @param refusal why it is not taken, if that is known from its headers
   * @param giveWay ends the request in favour of another client's
   */
  constructor(
    bodies: HeldBytes,
    holder: BodyHolder,
    declared: number,
    refusal: Failure | undefined,
    giveWay: () => void,
  ) {
    this.#bodies = bodies;
    this.#holder = holder;
    this.#declared = declared;
    this.#refusal = refusal;
    this.#giveWay = giveWay;
  }

  /**
   * Takes what has come, which is valid during the call only.
   * @returns with the last chunk the whole body, as a view @throws Failure with the last chunk of a refused body
   */
  take(chunk: Uint8Array, isLast: boolean): Uint8Array | undefined {
    // What came in one piece is not copied.
    if (this.#refusal === undefined && isLast && !this.#hasBegun) return chunk;
    this.#hasBegun = true;
    this.#refusal ??= this.#keep(chunk);
    if (!isLast) return undefined;
    this.#bodies.release(this.#holder);
    if (this.#refusal !== undefined) throw this.#refusal;
    return this.#received!.bytes;
  }

  /** @returns why the body cannot be held any longer */
  #keep(chunk: Uint8Array): Failure | undefined {
    let refusal: Failure;
    this.#received ??= new ReceivedBody(this.#declared);
    try {
      const bytes = this.#received.growthFor(chunk.length);
      if (this.#bodies.hold(this.#holder, this.#holder.client, bytes, this.#giveWay)) {
        this.#received.add(chunk);
        return undefined;
      }
      refusal = new Failure('overloaded', 'too many bytes of bodies are being received (MAX_BUFFERED_BYTES)');
    } catch (error) {
      refusal = asFailure(error);
    }
    this.#bodies.release(this.#holder);
    this.#received.clear();
    return refusal;
  }
}
