/** What stands in the head of an answer, and how much of it there may be. */
import type { HttpResponse } from 'uWebSockets.js';
import type { Failure, FailureCode } from '../../protocol/errors.js';

export type Header = readonly [name: string, value: string];

const STATUS_TEXT: Record<number, string> = {
  200: '200 OK',
  204: '204 No Content',
  304: '304 Not Modified',
  400: '400 Bad Request',
  401: '401 Unauthorized',
  403: '403 Forbidden',
  404: '404 Not Found',
  405: '405 Method Not Allowed',
  406: '406 Not Acceptable',
  409: '409 Conflict',
  411: '411 Length Required',
  413: '413 Content Too Large',
  415: '415 Unsupported Media Type',
  421: '421 Misdirected Request',
  426: '426 Upgrade Required',
  429: '429 Too Many Requests',
  500: '500 Internal Server Error',
  502: '502 Bad Gateway',
  503: '503 Service Unavailable',
  504: '504 Gateway Timeout',
};
const RETRY_AFTER_SECONDS = '1';
/** What a token would have to be, by RFC 6750 §3. */
const CHALLENGES: Partial<Record<FailureCode, string>> = {
  unauthorized: 'Bearer realm="streamgate"',
  invalid_token: 'Bearer realm="streamgate", error="invalid_token"',
  forbidden: 'Bearer realm="streamgate", error="insufficient_scope"',
};

/** What a payload is, is not for browsers to guess. */
export const NO_SNIFFING: Header = ['x-content-type-options', 'nosniff'];
/** nginx takes a head of one page of memory, 4096 bytes, unless its settings allow more. */
const MAX_HEAD_BYTES = 4000;
/** What the library writes by itself: the status line, Date, its own name, Content-Length and Connection. */
const LIBRARY_HEAD_BYTES = 160;

/** What an answer's header may hold: the library would write a line break as it is. */
const HEADER_VALUE = /^[\t -~]*$/;

export function headBytes(headers: readonly Header[]): number {
  let sum = 0;
  for (const [name, value] of headers) sum += name.length + value.length + ': \r\n'.length;
  return sum;
}

/**
 * The headers of an answer, checked and put together once, however many answers have the same. They are written by one
 * call, since each costs more than what it writes: what the library is given as the value of the first has the others
 * behind it, in the form in which the library writes them.
 */
export class AnswerHead {
  readonly #name: string;
  readonly #value: string;

  /**
   * @param type of the body, if it is known
   * @param headers besides `NO_SNIFFING`
   * @throws Error where a value has a character that none may have
   */
  constructor(type: string | undefined, headers: readonly Header[] = []) {
    const [sniffing, nosniff] = NO_SNIFFING;
    this.#name = type === undefined ? sniffing : 'content-type';
    const first = type === undefined ? nosniff : `${type}\r\n${sniffing}: ${nosniff}`;
    this.#value = first + linesOf(headers);
  }

  get bytes(): number {
    return this.#name.length + this.#value.length + ': \r\n'.length;
  }

  /** Writes it, and `more` behind it. @param more as `linesOf` gives them */
  write(res: Pick<HttpResponse, 'writeHeader'>, more = ''): void {
    res.writeHeader(this.#name, more === '' ? this.#value : this.#value + more);
  }
}

/** Headers as they stand behind another one. @throws Error where a value has a character that none may have */
export function linesOf(headers: readonly Header[]): string {
  let lines = '';
  for (const [name, value] of headers) {
    if (!HEADER_VALUE.test(value)) throw new Error(`the header ${name} has a character that none may have`);
    lines += `\r\n${name}: ${value}`;
  }
  return lines;
}

export const statusLine = (status: number): string => STATUS_TEXT[status] ?? String(status);

/** Bytes that are left besides these headers, so that proxies and clients take the head. */
export function headRoom(headers: readonly Header[]): number {
  return MAX_HEAD_BYTES - LIBRARY_HEAD_BYTES - headBytes(headers);
}

/** What a refusal tells besides its body. */
export function failureHeaders(failure: Failure): readonly Header[] {
  const challenge = CHALLENGES[failure.code];
  return [
    ...(failure.mayPass ? [['retry-after', RETRY_AFTER_SECONDS] as const] : []),
    ...(challenge === undefined ? [] : [['www-authenticate', challenge] as const]),
  ];
}
