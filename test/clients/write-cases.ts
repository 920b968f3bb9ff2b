/** What clients write: that it is stored as given, in order, and that each call is told what became of its entry. */
import { createHash } from 'node:crypto';
import { expect } from 'vitest';
import type { NewEntry, Outcome, ToldError } from './protocol.js';
import { type Case, TOO_LARGE_BYTES, type World } from './world.js';

const code = (outcome: Outcome): string =>
  typeof outcome === 'string' ? 'stored' : (outcome as ToldError).code;

const text = (content: string, more: Omit<NewEntry, 'data'> = {}): NewEntry => ({
  data: { text: content },
  ...more,
});

async function textsOf(world: World, sid?: string): Promise<string[]> {
  return (await world.payloads(sid)).map(({ data }) => data.toString());
}

export const WRITE_CASES: readonly Case[] = [
  {
    name: 'push: each entry is told its id once it is stored',
    run: async (world) => {
      const client = await world.open();
      await client.call('push', { name: 'p', stream: world.sid });
      for (const content of ['one', 'two', 'three']) {
        const [id] = await client.call('send', { name: 'p', entries: [text(content)] });
        const [newest] = (await world.payloads()).slice(-1);
        expect([id, content]).toEqual([newest!.id, newest!.data.toString()]);
      }
      await client.call('close', { name: 'p' });
    },
  },
  {
    name: 'push: what is given at once is stored in that order, each with its own id',
    run: async (world) => {
      const client = await world.open();
      const entries = Array.from({ length: 2500 }, (_, seq) => text(`${seq}`.padEnd(seq % 50)));
      await client.call('push', { name: 'p', stream: world.sid });
      const ids = await client.call('send', { name: 'p', entries });
      const stored = await world.payloads();
      expect(stored.map(({ id }) => id)).toEqual(ids);
      expect(stored.map(({ data }) => Number(data))).toEqual(entries.map((_, seq) => seq));
    },
  },
  {
    name: 'push: bytes arrive as they are: none, one, all values, text, 5 MB, alone and together',
    run: async (world) => {
      const client = await world.open();
      const all = Buffer.from(Array.from({ length: 256 }, (_, value) => value));
      const base64 = (data: Buffer): NewEntry => ({ data: { base64: data.toString('base64') } });
      const empty = Buffer.alloc(0);
      const small = [empty, empty, all, empty, Buffer.of(0), Buffer.from('“größer” 🦔'), Buffer.of(0xff)];
      await client.call('push', { name: 'p', stream: world.sid });
      const ids = await client.call('send', { name: 'p', entries: small.map(base64) });
      for (const data of small)
        ids.push(...(await client.call('send', { name: 'p', entries: [base64(data)] })));
      ids.push(
        ...(await client.call('send', {
          name: 'p',
          entries: [
            text('“größer” 🦔'),
            { data: { writer: 'large', seq: 0, bytes: 5_000_000 } },
            { data: { writer: 'large', seq: 1, bytes: 2_000_000 } },
          ],
        })),
      );
      const stored = await world.payloads();
      expect(stored.map(({ id }) => id)).toEqual(ids);
      const whole = [...small, ...small, Buffer.from('“größer” 🦔')];
      expect(stored.slice(0, whole.length).map(({ data }) => data)).toEqual(whole);
      expect(stored.slice(whole.length).map(({ data }) => data.length)).toEqual([5_000_000, 2_000_000]);
      // And back again.
      const pull = await client.pull(world.sid, { lastEntryId: '0' });
      await pull.until(() => pull.entries.length === ids.length);
      for (const [index, { data }] of stored.entries()) {
        const told = pull.entries[index]!;
        expect(told).toMatchObject({ id: ids[index], size: data.length });
        if (told.data !== undefined) expect(Buffer.from(told.data, 'base64')).toEqual(data);
        else expect(told.sha256).toBe(createHash('sha256').update(data).digest('hex'));
      }
    },
  },
  {
    name: 'push: an entry’s own time; one that is not after the newest fails alone',
    run: async (world) => {
      const client = await world.open();
      await client.call('push', { name: 'p', stream: world.sid });
      const entries = [
        text('a', { time: 5000 }),
        text('b', { time: '5000-7' }),
        text('too early', { time: 4000 }),
        text('c', { time: 6000 }),
        text('in the future', { time: 99_999_999_999_999 }),
      ];
      const outcomes: Outcome[] = [];
      for (const entry of entries)
        outcomes.push(...(await client.call('send', { name: 'p', entries: [entry] })));
      expect(outcomes.slice(0, 2)).toEqual(['5000-0', '5000-7']);
      expect(outcomes[3]).toBe('6000-0');
      expect([code(outcomes[2]!), code(outcomes[4]!)]).toEqual(['id_not_increasing', 'time_in_future']);
      const together = [text('d', { time: 7000 }), text('late', { time: 1 }), text('e', { time: 8000 })];
      const told = await client.call('send', { name: 'p', entries: together });
      expect(told.map((outcome) => (typeof outcome === 'string' ? outcome : outcome.code))).toEqual([
        '7000-0',
        'id_not_increasing',
        '8000-0',
      ]);
      expect(await textsOf(world)).toEqual(['a', 'b', 'c', 'd', 'e']);
    },
  },
  {
    name: 'push to *: each entry names its stream, and a name that is refused fails its entry only',
    run: async (world) => {
      const client = await world.open();
      const [left, right] = [`${world.sid}/l é`, `${world.sid}/r`];
      await client.call('push', { name: 'p', stream: '*' });
      const outcomes = await client.call('send', {
        name: 'p',
        entries: [
          text('l1', { stream: left }),
          text('r1', { stream: right }),
          text('nowhere', { stream: 'a+b' }),
          text('reserved', { stream: ':event:device.meta' }),
          text('l2', { stream: left }),
        ],
      });
      expect(outcomes.map(code)).toEqual(['stored', 'stored', 'bad_name', 'reserved_name', 'stored']);
      expect(await textsOf(world, left)).toEqual(['l1', 'l2']);
      expect(await textsOf(world, right)).toEqual(['r1']);
    },
  },
  {
    name: 'push: a key that is no stream, a name that is refused',
    run: async (world) => {
      const client = await world.open();
      await world.redis.set(`default:${world.sid}`, 'text');
      await client.call('push', { name: 'p', stream: world.sid });
      const wrong = await client.call('send', { name: 'p', entries: [text('x')] });
      expect(wrong.map(code)).toEqual(['wrong_type']);
      // The producer goes on.
      await world.redis.del(`default:${world.sid}`);
      const outcomes = await client.call('send', { name: 'p', entries: [text('x')] });
      expect(outcomes.map(code)).toEqual(['stored']);
      await client.call('push', { name: 'bad', stream: 'control\u0001' });
      const refused = await client.call('send', { name: 'bad', entries: [text('x'), text('y')] });
      expect(refused.map(code)).toEqual(['bad_name', 'bad_name']);
    },
  },
  {
    name: 'push: an entry that is too large fails, and the producer goes on',
    run: async (world) => {
      const client = await world.open();
      await client.call('push', { name: 'p', stream: world.sid });
      const large: NewEntry = { data: { writer: 'large', seq: 0, bytes: TOO_LARGE_BYTES } };
      expect((await client.call('send', { name: 'p', entries: [large] })).map(code)).toEqual([
        'payload_too_large',
      ]);
      expect((await client.call('send', { name: 'p', entries: [text('after')] })).map(code)).toEqual([
        'stored',
      ]);
      expect(await textsOf(world)).toEqual(['after']);
    },
  },
  {
    name: 'device and prefix: where entries go and come from',
    run: async (world) => {
      const client = await world.open({ device: 'cam 1', prefix: 'front:' });
      await client.call('push', { name: 'p', stream: world.sid });
      const [pushed] = await client.call('send', { name: 'p', entries: [text('pushed')] });
      const appended = await client.call('append', { stream: world.sid, data: { text: 'appended' } });
      const rows = await world.redis.xrange(`cam 1:front:${world.sid}`, '-', '+');
      expect(rows).toEqual([
        [pushed, ['d', 'pushed']],
        [appended, ['d', 'appended']],
      ]);
      const pull = await client.pull(world.sid, { lastEntryId: '0' });
      await pull.until(() => pull.entries.length === 2);
      expect(pull.entries.map(({ stream, id }) => [stream, id])).toEqual([
        [world.sid, pushed],
        [world.sid, appended],
      ]);
      expect(await client.call('latest', { stream: world.sid })).toMatchObject({ id: appended });
    },
  },
  {
    name: 'append: by HTTP, with the same failures',
    run: async (world) => {
      const client = await world.open();
      const id = await client.call('append', { stream: world.sid, data: { base64: 'AP8=' } });
      expect(await world.payloads()).toEqual([{ id, data: Buffer.of(0, 255) }]);
      const append = (stream: string) => client.call('append', { stream, data: { text: '' } });
      await world.redis.set(`default:${world.sid}-text`, 'text');
      await expect(append(`${world.sid}-text`)).rejects.toMatchObject({ code: 'wrong_type' });
      await expect(append('x'.repeat(513))).rejects.toMatchObject({ code: 'bad_name' });
      await expect(append(':event:x')).rejects.toMatchObject({ code: 'reserved_name' });
    },
  },
];
