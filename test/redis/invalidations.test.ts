/** What Redis sends of keys that have changed. */
import { expect, test } from 'vitest';
import { readInvalidation } from '../../src/redis/invalidations.js';
import { arrayOf, bulkOf, replyOf } from '../support/resp-commands.js';

const push = (...elements: string[]) => replyOf(`>${elements.length}\r\n${elements.join('')}`);

test.each<[string, ReturnType<typeof push>, (string | undefined)[]]>([
  ['one key', push(bulkOf('invalidate'), arrayOf(bulkOf('a'))), ['a']],
  ['several keys', push(bulkOf('invalidate'), arrayOf(bulkOf('é'), bulkOf(''), bulkOf('c'))), ['é', '', 'c']],
  ['no key', push(bulkOf('invalidate'), arrayOf()), []],
  ['all keys, of RESP3', push(bulkOf('invalidate'), '_\r\n'), [undefined]],
  ['all keys, of a server that says it the older way', push(bulkOf('invalidate'), '*-1\r\n'), [undefined]],
  ['another matter', push(bulkOf('message'), bulkOf('a'), bulkOf('b')), []],
])('a push names %s', (_, cursor, keys) => {
  expect(readInvalidation(cursor)).toEqual(keys);
});
