import { describe, expect, test } from 'vitest';
import { Inbox, type Source } from '../../src/client/inbox.js';

class FakeSource implements Source {
  flowing = true;
  pause() {
    this.flowing = false;
  }
  resume() {
    this.flowing = true;
  }
}

const frame = (text: string) => Buffer.from(text);

async function take(inbox: Inbox): Promise<string | undefined> {
  return (await inbox.next())?.toString();
}

describe('Inbox', () => {
  test('hands out frames in order, those that wait and those that come later', async () => {
    const inbox = new Inbox(new FakeSource());
    inbox.add(frame('a'));
    inbox.add(frame('b'));
    expect([await take(inbox), await take(inbox)]).toEqual(['a', 'b']);
    const later = take(inbox);
    inbox.add(frame('c'));
    expect(await later).toBe('c');
  });

  test.each([
    ['many small frames', 1, 200],
    ['few large frames', 600_000, 2],
  ])('pauses its source at %s and resumes it when empty', async (_name, size, frames) => {
    const source = new FakeSource();
    const inbox = new Inbox(source);
    let added = 0;
    while (source.flowing && added < frames) {
      inbox.add(Buffer.alloc(size));
      added += 1;
    }
    expect(source.flowing).toBe(false);
    for (let taken = 1; taken < added; taken++) {
      await inbox.next();
      expect(source.flowing).toBe(false);
    }
    await inbox.next();
    expect(source.flowing).toBe(true);
  });

  test('does not pause while the consumer waits', async () => {
    const source = new FakeSource();
    const inbox = new Inbox(source);
    const next = inbox.next();
    inbox.add(Buffer.alloc(5_000_000));
    expect((await next)?.length).toBe(5_000_000);
    expect(source.flowing).toBe(true);
  });

  test('tells the end after what waits, again and again', async () => {
    const inbox = new Inbox(new FakeSource());
    inbox.add(frame('a'));
    inbox.finish(new Error('gone'));
    inbox.finish();
    expect(await take(inbox)).toBe('a');
    await expect(inbox.next()).rejects.toThrow('gone');
    await expect(inbox.next()).rejects.toThrow('gone');
  });

  test('wakes the consumer at the end', async () => {
    const inbox = new Inbox(new FakeSource());
    const next = inbox.next();
    inbox.finish();
    expect(await next).toBeUndefined();
  });

  test('discards what waits and lets its source flow, so that the close can come through', async () => {
    const source = new FakeSource();
    const inbox = new Inbox(source);
    inbox.add(Buffer.alloc(2_000_000));
    expect(source.flowing).toBe(false);
    inbox.discard();
    expect(source.flowing).toBe(true);
    inbox.add(frame('late'));
    expect(await inbox.next()).toBeUndefined();
  });
});
