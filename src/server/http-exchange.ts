/**
 * One HTTP request and its answer.
 *
 * uWebSockets.js gives up the request when its handler returns, ends the process where a request is
 * neither answered nor watched for its abortion, and throws where an aborted one is answered. All of that
 * is kept in here: the exchange copies what is asked for later, and answering an aborted one does nothing.
 */
import type { HttpRequest, HttpResponse } from 'uWebSockets.js';
import { asFailure, Failure } from '../errors.js';
import type { GatewayContext } from './context.js';

const STATUS_TEXT: Record<number, string> = {
  200: '200 OK',
  204: '204 No Content',
  400: '400 Bad Request',
  403: '403 Forbidden',
  404: '404 Not Found',
  405: '405 Method Not Allowed',
  409: '409 Conflict',
  411: '411 Length Required',
  413: '413 Content Too Large',
  415: '415 Unsupported Media Type',
  426: '426 Upgrade Required',
  500: '500 Internal Server Error',
  502: '502 Bad Gateway',
  503: '503 Service Unavailable',
};
const RETRY_AFTER_SECONDS = '1';
/** Bodies from this size on are written as the socket takes them instead of being copied whole. */
const STREAMED_BYTES = 64 * 1024;
/** A body this much over the limit is read to its end, so that its sender comes to read the refusal. */
const DRAINED_BYTES = 64 * 1024 * 1024;

export type Header = readonly [name: string, value: string];

export interface Answer {
  readonly status?: number;
  readonly type?: string;
  readonly headers?: readonly Header[];
  readonly body?: string | Uint8Array;
}

/** An answer that is written bit by bit. Nothing happens where the client is gone. */
export interface AnswerStream {
  /** @returns whether the socket has room for more */
  write(text: string): boolean;
  end(): void;
}

/** A request that cannot be told apart from two: it is closed without an answer. */
function isAmbiguous(req: HttpRequest): boolean {
  const once = { 'content-length': 0, host: 0, authorization: 0 };
  let ambiguous = false;
  req.forEach((name) => {
    if (name === 'transfer-encoding') ambiguous = true;
    else if (name in once && ++once[name as keyof typeof once] > 1) ambiguous = true;
  });
  return ambiguous;
}

export class HttpExchange {
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly #context: GatewayContext;
  readonly #res: HttpResponse;
  readonly #headers: ReadonlyMap<string, string>;
  #isOver = false;
  #onAborted: (() => void)[] = [];

  /** @throws nothing; where the request was refused at once, `isOver` is true */
  constructor(context: GatewayContext, res: HttpResponse, req: HttpRequest) {
    this.#context = context;
    this.#res = res;
    res.onAborted(() => {
      this.#isOver = true;
      for (const listener of this.#onAborted) listener();
    });
    this.method = req.getMethod();
    this.path = req.getUrl();
    // Without a query string the library gives undefined, whatever its types say.
    this.query = req.getQuery() ?? '';
    const headers = new Map<string, string>();
    this.#headers = headers;
    if (isAmbiguous(req)) {
      res.close();
      return;
    }
    req.forEach((name, value) => headers.set(name, value));
    if (!context.origins.allows(this.header('origin'), this.header('host'))) {
      this.fail(
        new Failure('forbidden_origin', `pages of ${this.header('origin')} may not use this gateway`),
      );
    } else if (context.stopping.signal.aborted) {
      this.fail(new Failure('shutting_down', 'the gateway is going down'));
    }
  }

  /** Answered or aborted: nothing more can be done. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** A header's value; '' where it was not sent. @param name in lower case */
  header(name: string): string {
    return this.#headers.get(name) ?? '';
  }

  /** The client left before it was answered. */
  onAborted(listener: () => void): void {
    this.#onAborted.push(listener);
  }

  answer({ status = 200, type, headers = [], body = '' }: Answer): void {
    if (this.#isOver) return;
    const bytes = typeof body === 'string' ? Buffer.from(body) : body;
    const isStreamed = bytes.length >= STREAMED_BYTES && this.method !== 'head';
    this.#isOver = true;
    this.#res.cork(() => {
      this.#res.writeStatus(STATUS_TEXT[status] ?? String(status));
      if (type !== undefined) this.#res.writeHeader('content-type', type);
      this.#res.writeHeader('x-content-type-options', 'nosniff');
      for (const [name, value] of [...headers, ...this.#originHeaders()]) this.#res.writeHeader(name, value);
      if (this.method === 'head' || status === 204) {
        // Given the length itself, the library would take the answer for unfinished and close the connection.
        if (status !== 204) this.#res.writeHeader('content-length', String(bytes.length));
        this.#res.endWithoutBody();
      } else if (isStreamed) this.#stream(bytes);
      else this.#res.end(bytes);
    });
  }

  /**
   * Begins an answer that is written bit by bit, for as long as the client stays.
   * @param filler a text without a meaning: the library sends what waits only along with something new
   * @param onRoom called when a full socket has room again
   */
  openStream(type: string, headers: readonly Header[], filler: string, onRoom: () => void): AnswerStream {
    const res = this.#res;
    this.#isOver = true;
    let isGone = false;
    this.#onAborted.push(() => {
      isGone = true;
    });
    const write = (text: string): boolean => {
      let hasRoom = false;
      if (!isGone) {
        res.cork(() => {
          hasRoom = res.write(text);
        });
      }
      return hasRoom;
    };
    res.onWritable(() => {
      // Not within the library's callback, for the reason that `ClientSocket.drained` gives.
      setImmediate(() => write(filler) && onRoom());
      return true;
    });
    res.cork(() => {
      res.writeStatus(STATUS_TEXT[200]!).writeHeader('content-type', type);
      for (const [name, value] of [...headers, ...this.#originHeaders()]) res.writeHeader(name, value);
    });
    return {
      write,
      end: () => {
        if (!isGone) res.cork(() => res.end());
        isGone = true;
      },
    };
  }

  fail(cause: unknown, headers: readonly Header[] = [], more: object = {}): void {
    const failure = asFailure(cause);
    if (failure.code === 'internal') {
      this.#context.logger.error({ err: cause, method: this.method, path: this.path }, 'a request failed');
    }
    this.answer({
      status: failure.kind.status,
      type: 'application/json',
      headers: failure.kind.retry ? [...headers, ['retry-after', RETRY_AFTER_SECONDS]] : headers,
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
    let refusal: Failure | undefined;
    if (length === '') refusal = new Failure('length_required', 'a body needs a Content-Length header');
    else if (this.header('content-encoding') !== '') {
      refusal = new Failure('unsupported_media_type', 'a body must not have a Content-Encoding');
    } else if (declared > limit) {
      refusal = new Failure(
        'payload_too_large',
        `the body has ${declared} bytes; at most ${limit} are allowed`,
      );
    }
    if (refusal !== undefined && (length === '' || declared > limit + DRAINED_BYTES)) {
      this.fail(refusal);
      return;
    }
    let whole: Buffer | undefined;
    let received = 0;
    this.#res.onData((chunk, isLast) => {
      if (this.#isOver) return;
      if (refusal !== undefined) {
        if (isLast) this.fail(refusal);
        return;
      }
      const bytes = new Uint8Array(chunk);
      if (isLast && received === 0) {
        this.#guard(() => take(bytes));
        return;
      }
      whole ??= Buffer.allocUnsafeSlow(declared);
      whole.set(bytes.subarray(0, declared - received), received);
      received += bytes.length;
      if (isLast) this.#guard(() => take(whole!.subarray(0, received)));
    });
  }

  /** Runs a step of an endpoint; what it throws or rejects with is answered. */
  async run(step: () => void | Promise<void>): Promise<void> {
    try {
      await step();
    } catch (error) {
      this.fail(error);
    }
  }

  #guard(step: () => void): void {
    try {
      step();
    } catch (error) {
      this.fail(error);
    }
  }

  #originHeaders(): Header[] {
    return this.#context.origins.answerHeaders(this.header('origin'), this.header('host'));
  }

  /** Writes a large body as the socket takes it: it is never copied whole into the library's buffer. */
  #stream(bytes: Uint8Array): void {
    const begin = this.#res.getWriteOffset();
    let isDone = this.#res.tryEnd(bytes, bytes.length)[1];
    if (isDone) return;
    this.#onAborted.push(() => {
      isDone = true;
    });
    this.#res.onWritable((offset) => {
      if (isDone) return true;
      const [ok, done] = this.#res.tryEnd(bytes.subarray(offset - begin), bytes.length);
      isDone = done;
      return ok;
    });
  }
}

/** Wraps an endpoint as the library's handler: nothing it does can end the process. */
export function endpoint(
  context: GatewayContext,
  run: (exchange: HttpExchange, req: HttpRequest) => void | Promise<void>,
): (res: HttpResponse, req: HttpRequest) => void {
  return (res, req) => {
    const exchange = new HttpExchange(context, res, req);
    if (!exchange.isOver) void exchange.run(() => run(exchange, req));
  };
}
