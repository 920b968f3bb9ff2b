/**
 * One HTTP request and its answer.
 *
 * uWebSockets.js gives up the request when its handler returns, ends the process where a request is
 * neither answered nor watched for its abortion, and throws where an aborted one is answered. All of that
 * is kept in here: the exchange copies what is asked for later, and answering an aborted one does nothing.
 */
import type { HttpRequest, HttpResponse } from 'uWebSockets.js';
import { asFailure, Failure } from '../../protocol/errors.js';
import type { Duty } from '../admission/admission.js';
import type { Client } from '../admission/client-shares.js';
import type { GatewayContext } from '../context.js';
import { libraryBody } from '../library-text.js';
import {
  AnswerHead,
  failureHeaders,
  type Header,
  headBytes,
  headRoom,
  linesOf,
  NO_SNIFFING,
  statusLine,
} from './answer-head.js';
import { AnswerStream, type StreamListener } from './answer-stream.js';
import { BoundedBody } from './bounded-body.js';
import { bodyRefusal, isDrained } from './received-body.js';
import { RequestHeaders, readHeaders } from './request-headers.js';

/** Bodies from this size on are written as the socket takes them instead of being copied whole. */
const STREAMED_BYTES = 64 * 1024;
/** Answers that never have a body, nor a length. */
const BODILESS = [204, 304];
const NO_HEADERS: readonly Header[] = [];
const ONLY_SNIFFING: readonly Header[] = [NO_SNIFFING];

export interface Answer {
  readonly status?: number;
  readonly type?: string;
  readonly headers?: readonly Header[];
  /** In place of `type` and `headers`, where other answers have the same. */
  readonly head?: AnswerHead;
  readonly body?: string | Uint8Array;
}

/** How an answer begins that is written message by message. */
export interface StreamHead extends StreamListener {
  readonly type: string;
  readonly headers: readonly Header[];
  /** A text without a meaning between two messages; '' where there can be none. */
  readonly filler: string;
}

export class HttpExchange {
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly #context: GatewayContext;
  readonly #res: HttpResponse;
  readonly #headers: RequestHeaders;
  /** Whose connection it is, for `ConnectionLimits`. */
  readonly address: string;
  /** What names its token, once that is known; undefined without access control. */
  token: string | undefined;
  #isOver = false;
  /** The connection is not kept open after the answer. */
  #isLast = false;
  #hasLeft = false;
  /** Its whole answer has been handed over, or its client is gone. */
  #isFinished = false;
  #onAborted: (() => void)[] | undefined;

  /**
   * @param duty what the request asks of the gateway: `work` is refused once that is going down
   * @throws nothing; where the request was refused at once, `isOver` is true
   */
  constructor(context: GatewayContext, res: HttpResponse, req: HttpRequest, duty: Duty = 'work') {
    this.#context = context;
    this.#res = res;
    this.address = context.connections.addressOf(res);
    const crowd = context.connections.begin(this.address);
    context.underway.begin();
    res.onAborted(() => {
      this.#finish();
      this.#leave();
      if (this.#onAborted !== undefined) for (const listener of this.#onAborted) listener();
    });
    this.method = req.getMethod();
    this.path = req.getUrl();
    // Without a query string the library gives undefined, whatever its types say.
    this.query = req.getQuery() ?? '';
    const headers = readHeaders(req);
    this.#headers = headers ?? new RequestHeaders();
    if (headers === undefined) {
      res.close();
      return;
    }
    const refusal = context.admission.refusal(this, duty, crowd);
    if (refusal === undefined) return;
    this.#isLast = refusal === crowd;
    this.fail(refusal);
  }

  /** Answered or aborted: nothing more can be done. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** Who asks, as far as it is known. */
  get client(): Client {
    return { address: this.address, token: this.token };
  }

  /** A header's value; '' where it was not sent. @param name in lower case */
  header(name: string): string {
    return this.#headers.get(name);
  }

  /** The client left before it was answered. */
  onAborted(listener: () => void): void {
    this.#onAborted ??= [];
    this.#onAborted.push(listener);
  }

  /** Bytes of an answer's head that are left besides these headers, so that proxies and clients take it. */
  headRoom(headers: readonly Header[]): number {
    return headRoom(headers) - headBytes(ONLY_SNIFFING) - headBytes(this.#originHeaders());
  }

  answer({ status = 200, type, headers, head, body = '' }: Answer): void {
    if (this.#isOver) return;
    const isHead = this.method === 'head';
    const bytes = libraryBody(body);
    const streamed =
      typeof bytes !== 'string' && bytes.length >= STREAMED_BYTES && !isHead ? bytes : undefined;
    // Who is going down says so: the client takes its next request elsewhere.
    const isLast =
      this.#isLast || this.#context.stopping.signal.aborted || this.#context.connections.isCrowded;
    const whole = head ?? new AnswerHead(type, headers);
    const ofOrigin = linesOf(this.#originHeaders());
    if (streamed !== undefined) {
      const size = whole.bytes + ofOrigin.length + streamed.length;
      if (!this.#context.unread.hold(this, this.client, size, () => this.#res.close())) {
        this.fail(
          new Failure('overloaded', 'too many bytes wait for clients to read them (MAX_UNREAD_BYTES)'),
        );
        return;
      }
    }
    this.#isOver = true;
    this.#res.cork(() => {
      // The library itself begins with 200.
      if (status !== 200) this.#res.writeStatus(statusLine(status));
      whole.write(this.#res, ofOrigin);
      const isBodiless = BODILESS.includes(status);
      if (isHead || isBodiless) {
        // Given the length itself, the library would take the answer for unfinished and close the connection.
        if (!isBodiless) this.#res.writeHeader('content-length', String(bytes.length));
        this.#res.endWithoutBody();
      } else if (streamed !== undefined) this.#stream(streamed);
      else this.#res.end(bytes, isLast);
    });
    if (streamed !== undefined) return;
    this.#finish();
    this.#leave();
  }

  /** The connection is a WebSocket's from now on. */
  upgraded(): void {
    this.#finish();
    this.#leave();
  }

  /**
   * Begins an answer that is written message by message, for as long as the client stays.
   * @returns undefined where nobody reads on: the client is gone, or asked for the head alone
   */
  openStream(head: StreamHead): AnswerStream | undefined {
    if (this.#isOver) return undefined;
    const res = this.#res;
    const whole = new AnswerHead(head.type, [...head.headers, ...this.#originHeaders()]);
    const isHead = this.method === 'head';
    this.#finish();
    res.cork(() => {
      whole.write(res);
      if (isHead) res.endWithoutBody();
    });
    if (isHead) {
      this.#leave();
      return undefined;
    }
    const { unread, underway } = this.#context;
    const { filler } = head;
    const { client } = this;
    const parts = { res, filler, client, unread, underway, onLeft: () => this.#leave() };
    const stream = new AnswerStream(parts, head);
    this.onAborted(() => stream.gone());
    return stream;
  }

  fail(cause: unknown, headers: readonly Header[] = [], more: object = {}): void {
    const failure = asFailure(cause);
    this.#context.counters.failures[failure.code]++;
    if (failure.code === 'internal') {
      this.#context.logger.error({ err: cause, method: this.method, path: this.path }, 'a request failed');
    }
    this.answer({
      status: failure.kind.status,
      type: 'application/json',
      headers: [...headers, ...failureHeaders(failure)],
      body: JSON.stringify({ ...failure.body, ...more }),
    });
  }

  /**
   * Reads the body and hands it to `take`, as a view that is valid during the call only.
   * A body that is refused is answered here.
   */
  readBody(limit: number, take: (body: Uint8Array) => void): void {
    const length = this.header('content-length');
    const declared = Number(length);
    const refusal = bodyRefusal(length, this.header('content-encoding'), limit);
    if (length === '') {
      // Not at once: the library goes on with what it takes for the next request, and closes a connection
      // on which one comes before the last is answered.
      this.#isLast = true;
      setImmediate(() => this.fail(refusal));
      return;
    }
    if (!isDrained(declared, limit)) {
      this.#isLast = true;
      this.fail(refusal);
      return;
    }
    const { bodies } = this.#context;
    const body = new BoundedBody(bodies, this, declared, refusal, () => this.#res.close());
    this.#res.onData((chunk, isLast) => {
      if (this.#isOver) return;
      try {
        const whole = body.take(new Uint8Array(chunk), isLast);
        if (whole !== undefined) take(whole);
      } catch (error) {
        this.fail(error);
      }
    });
  }

  /** Runs a step of an endpoint; what it throws or rejects with is answered. */
  run(step: () => void | Promise<void>): void {
    try {
      step()?.catch((error) => this.fail(error));
    } catch (error) {
      this.fail(error);
    }
  }

  #originHeaders(): readonly Header[] {
    const origin = this.header('origin');
    if (origin === '') return NO_HEADERS;
    const host = this.header('host');
    // A page under a name that is not ours would look like our own.
    return this.#context.hosts.allows(host) ? this.#context.origins.answerHeaders(origin, host) : NO_HEADERS;
  }

  /** Writes a large body as the socket takes it: it is never copied whole into the library's buffer. */
  #stream(bytes: Uint8Array): void {
    const begin = this.#res.getWriteOffset();
    let isDone = false;
    const write = (from: number): boolean => {
      const [ok, done] = this.#res.tryEnd(bytes.subarray(from), bytes.length);
      isDone = done;
      if (isDone) {
        this.#finish();
        this.#leave();
      }
      return ok;
    };
    write(0);
    if (isDone) return;
    this.onAborted(() => {
      isDone = true;
    });
    this.#res.onWritable((offset) => isDone || write(offset - begin));
  }

  /** Nothing more is to be done for it. */
  #finish(): void {
    this.#isOver = true;
    if (this.#isFinished) return;
    this.#isFinished = true;
    this.#context.underway.end();
  }

  /** Its connection is free for another request, or gone: nothing is held for it any more. */
  #leave(): void {
    if (this.#hasLeft) return;
    this.#hasLeft = true;
    this.#context.unread.release(this);
    this.#context.bodies.release(this);
    this.#context.connections.end(this.address);
  }
}
