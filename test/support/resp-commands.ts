/** Commands and replies as Redis' own notation, for tests that stand in its place. */
import { ReplyCursor } from '../../src/redis/resp.js';

/** The commands that were written, each as its words. */
export function readCommands(parts: readonly Uint8Array[]): string[][] {
  const bytes = Buffer.concat(parts);
  const commands: string[][] = [];
  let at = 0;
  const number = (): number => {
    const end = bytes.indexOf('\r\n', at);
    const value = Number(bytes.toString('latin1', at + 1, end));
    at = end + 2;
    return value;
  };
  while (at < bytes.length) {
    const words: string[] = [];
    for (let count = number(); count > 0; count--) {
      const length = number();
      words.push(bytes.toString('utf8', at, at + length));
      at += length + 2;
    }
    commands.push(words);
  }
  return commands;
}

/** A cursor at a reply given as Redis sends it. */
export function replyOf(bytes: string): ReplyCursor {
  const cursor = new ReplyCursor();
  cursor.place(Buffer.from(bytes), 0);
  return cursor;
}

export const bulkOf = (text: string) => `$${Buffer.byteLength(text)}\r\n${text}\r\n`;
export const arrayOf = (...elements: string[]) => `*${elements.length}\r\n${elements.join('')}`;
