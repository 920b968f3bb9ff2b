/** What is described, and requests for it as bytes. */
import { createDocument } from '../../src/openapi/document.js';
import type { Operation } from '../../src/openapi/model.js';
import { VERSION } from '../../src/system/version.js';
import { type RawAnswer, sendRaw } from '../support/http.js';

export const DESCRIPTION = createDocument(VERSION);

export interface Described {
  readonly path: string;
  readonly method: 'get' | 'post';
  readonly id: string;
  readonly operation: Operation;
}

export const OPERATIONS: readonly Described[] = Object.entries(DESCRIPTION.paths).flatMap(([path, item]) =>
  (Object.entries(item) as ['get' | 'post', Operation][]).map(([method, operation]) => ({
    path,
    method,
    id: operation.operationId,
    operation,
  })),
);

export function operationOf(id: string): Described {
  const found = OPERATIONS.find((described) => described.id === id);
  if (found === undefined) throw new Error(`there is no operation ${id}`);
  return found;
}

/** What makes a WebSocket of a GET (RFC 6455 §4.1). */
export const UPGRADE = {
  connection: 'Upgrade',
  upgrade: 'websocket',
  'sec-websocket-version': '13',
  'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
};

export interface Asked {
  readonly method: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** As bytes, since no client sends all of these; an answer without an end is read as far as its headers. */
export async function ask(port: number, { method, path, headers = {}, body }: Asked): Promise<RawAnswer> {
  const lines = Object.entries({
    host: '127.0.0.1',
    ...(body === undefined ? {} : { 'content-length': String(body.length) }),
    ...headers,
  }).map(([name, value]) => `${name}: ${value}\r\n`);
  const request = `${method.toUpperCase()} ${path} HTTP/1.1\r\n${lines.join('')}\r\n${body ?? ''}`;
  const answer = await sendRaw(port, request);
  if (answer === undefined) throw new Error(`no answer to ${method} ${path}`);
  return answer;
}
