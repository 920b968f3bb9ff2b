import { describe, expect, test } from 'vitest';
import { askForChanges, readInvalidation } from '../../src/append/invalidations.js';
import type { Asking } from '../../src/append/questions.js';
import { arrayOf, bulkOf, readCommands, replyOf } from '../support/resp-commands.js';

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

describe('changes are told', () => {
  const OK = '+OK\r\n';
  const HELLO = `%1\r\n${bulkOf('proto')}:3\r\n`;
  const EMPTY = arrayOf();

  /** Answers each command with the next reply, all of it, and notes what was asked. */
  async function ask(...replies: string[]) {
    const asked: string[] = [];
    const asking: Asking = {
      ask: (command, take) => {
        asked.push(readCommands([command])[0]!.join(' '));
        const reply = replies.shift()!;
        const cursor = replyOf(reply);
        const taken = take(cursor);
        expect(cursor.position).toBe(Buffer.byteLength(reply));
        return Promise.resolve(taken);
      },
    };
    return { isTold: await askForChanges(asking), asked };
  }

  test('where Redis takes all that this needs', async () => {
    expect(await ask(HELLO, OK, OK, EMPTY)).toEqual({
      isTold: true,
      asked: ['HELLO 3', 'CLIENT TRACKING ON NOLOOP', 'MULTI', 'EXEC'],
    });
  });

  test.each(['HELLO', 'CLIENT TRACKING', 'MULTI', 'EXEC'].map((name, index) => [name, index] as const))(
    'not where it refuses %s',
    async (_, index) => {
      const replies = [HELLO, OK, OK, EMPTY];
      replies[index] = '-NOPERM no\r\n';
      expect((await ask(...replies)).isTold).toBe(false);
    },
  );
});
