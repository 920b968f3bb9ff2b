/** Replies of Redis as values: made at random, written as RESP, and read back with a cursor. */
import fc from 'fast-check';
import type { ReplyCursor } from '../../src/redis/resp.js';

export type Reply =
  | { readonly type: 'text'; readonly value: string }
  | { readonly type: 'error'; readonly value: string }
  | { readonly type: 'number'; readonly value: number }
  | { readonly type: 'bulk'; readonly value: Buffer | null }
  | { readonly type: 'array'; readonly value: readonly Reply[] | null };

export const text = (value: string): Reply => ({ type: 'text', value });
export const bulk = (value: string | Uint8Array | null): Reply => ({
  type: 'bulk',
  value: value === null ? null : Buffer.from(value as string),
});
export const array = (...value: Reply[]): Reply => ({ type: 'array', value });

export function encodeReply(reply: Reply): Buffer {
  if (reply.type === 'text') return Buffer.from(`+${reply.value}\r\n`);
  if (reply.type === 'error') return Buffer.from(`-${reply.value}\r\n`);
  if (reply.type === 'number') return Buffer.from(`:${reply.value}\r\n`);
  if (reply.value === null) return Buffer.from(reply.type === 'bulk' ? '$-1\r\n' : '*-1\r\n');
  const length = Buffer.from(`${reply.type === 'bulk' ? '$' : '*'}${reply.value.length}\r\n`);
  if (reply.type === 'bulk') return Buffer.concat([length, reply.value, Buffer.from('\r\n')]);
  return Buffer.concat([length, ...reply.value.map(encodeReply)]);
}

/** Reads a reply of the same shape as `like` and returns what it holds; bulk strings stay views. */
export function readReply(cursor: ReplyCursor, like: Reply): Reply {
  const { type, value } = like;
  if (type === 'bulk') return { type, value: cursor.bytes() };
  if (type === 'array') {
    const count = cursor.array();
    if (count < 0) return { type, value: null };
    // What is there beyond `like` is read too, so that a difference shows.
    return {
      type,
      value: Array.from({ length: count }, (_, index) => readReply(cursor, value?.[index] ?? text(''))),
    };
  }
  const isError = cursor.isError;
  if (type === 'number') return { type, value: cursor.number() };
  return { type: isError ? 'error' : 'text', value: cursor.text() };
}

const line = fc
  .string({ unit: fc.constantFrom('a', ' ', '-', '1', 'é', '漢', '😀', '$', '*'), maxLength: 60 })
  .map((value) => value.replaceAll(/[\r\n]/g, ''));

/** Bytes, often such as would confuse a parser that looks for them. */
const bytes = fc.oneof(
  fc.uint8Array({ maxLength: 80 }),
  fc
    .constantFrom('', '\r\n', '\r', '\n', '$5\r\nhello\r\n', '*2\r\n', '-ERR x\r\n', '\0', 'é漢😀')
    .map(Buffer.from),
);

export const anyReply: fc.Arbitrary<Reply> = fc.letrec<{ reply: Reply }>((tie) => ({
  reply: fc.oneof(
    { maxDepth: 4, depthSize: 'small' },
    line.map(text),
    line.map((value): Reply => ({ type: 'error', value })),
    fc.maxSafeInteger().map((value): Reply => ({ type: 'number', value })),
    bytes.map(bulk),
    fc.constantFrom<Reply>({ type: 'bulk', value: null }, { type: 'array', value: null }),
    fc.array(tie('reply'), { maxLength: 5 }).map((value): Reply => ({ type: 'array', value })),
  ),
})).reply;
