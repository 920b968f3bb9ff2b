import { describe, expect, test } from 'vitest';
import { askForChanges } from '../../src/append/ask-for-changes.js';
import type { Asking } from '../../src/append/questions.js';
import { arrayOf, bulkOf, readCommands, replyOf } from '../support/resp-commands.js';

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
