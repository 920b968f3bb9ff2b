/** What a request may be refused with: responses by status, made of the codes that have it. */
import { STATUS_CODES } from 'node:http';
import { FAILURES, type FailureCode } from '../protocol/errors.js';
import type { HeaderObject, ResponseObject, WebSocketDescription } from './model.js';

/** Of any request. Those who ask how the gateway is are answered even when it is full or going down. */
export const ANY: readonly FailureCode[] = [
  'payload_too_large',
  'forbidden_host',
  'forbidden_origin',
  'internal',
];
/** Of any request that is work. */
export const WORK: readonly FailureCode[] = [...ANY, 'too_many_connections', 'overloaded', 'shutting_down'];
/** Where access control is on, of all that needs a token. */
export const TOKEN: readonly FailureCode[] = [
  'unauthorized',
  'invalid_token',
  'forbidden',
  'keys_unavailable',
];
/** Of what names streams and has parameters. */
export const NAMED: readonly FailureCode[] = ['bad_parameter', 'bad_name', 'reserved_name'];
/** Of Redis, asked to read. */
export const REDIS_READ: readonly FailureCode[] = [
  'wrong_type',
  'redis_error',
  'redis_denied',
  'redis_unavailable',
  'redis_loading',
];
/** Of Redis, asked to store. */
export const REDIS_WRITE: readonly FailureCode[] = [
  ...REDIS_READ,
  'id_not_increasing',
  'redis_read_only',
  'redis_out_of_memory',
  'unknown_outcome',
];
/** Of a body. */
export const BODY: readonly FailureCode[] = ['bad_body', 'length_required', 'unsupported_media_type'];

const text = (description: string, required = true): HeaderObject => ({
  description,
  required,
  schema: { type: 'string' },
});

/** What an answer of that status has besides. */
const HEADERS: Partial<Record<number, Readonly<Record<string, HeaderObject>>>> = {
  401: { 'www-authenticate': text('What a token would have to be (RFC 6750).') },
  403: { 'www-authenticate': text('With `forbidden`: `insufficient_scope` (RFC 6750).', false) },
  405: { allow: text('The methods that the address takes.') },
  426: { upgrade: text('`websocket`', false) },
  429: { 'retry-after': text('Seconds.') },
  503: { 'retry-after': text('Seconds.') },
};

/** The same failures, under the number that each of them has. */
function groupBy<K extends 'status' | 'close'>(codes: readonly FailureCode[], number: K) {
  const groups = new Map<number, FailureCode[]>();
  for (const code of [...new Set(codes)].sort((a, b) => FAILURES[a][number] - FAILURES[b][number])) {
    const key = FAILURES[code][number];
    groups.set(key, [...(groups.get(key) ?? []), code]);
  }
  return groups;
}

function failureResponse(status: number, codes: readonly FailureCode[]): ResponseObject {
  const reasons = codes.map((code) => `- \`${code}\`: ${FAILURES[code].meaning}`);
  const headers = HEADERS[status];
  return {
    description: `${STATUS_CODES[status]}\n\n${reasons.join('\n')}`,
    ...(headers === undefined ? {} : { headers }),
    content: {
      'application/json': {
        schema: {
          allOf: [{ $ref: '#/components/schemas/Failure' }],
          properties: { code: { enum: codes } },
        },
      },
    },
  };
}

/** A response for each status that one of the codes has. */
export function failureResponses(codes: readonly FailureCode[]): Record<string, ResponseObject> {
  const groups = [...groupBy(codes, 'status')];
  return Object.fromEntries(
    groups.map(([status, group]) => [String(status), failureResponse(status, group)]),
  );
}

/** The close codes of a WebSocket that these failures end. */
export function closeCodes(codes: readonly FailureCode[]): WebSocketDescription['closeCodes'] {
  return Object.fromEntries(groupBy(codes, 'close'));
}
