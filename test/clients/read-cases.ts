/** What clients read: every entry once and in order, or the newest; and how a read ends. */
import { expect, vi } from 'vitest';
import { stampedFrame, stampOf } from '../support/stamped-frames.js';
import type { ToldEntry } from './protocol.js';
import { type Case, SOON, type World } from './world.js';

const textOf = ({ data }: ToldEntry): string => Buffer.from(data!, 'base64').toString();

/** Writes `seq 0`, `seq 1`, … @returns their ids */
async function fill(world: World, count: number, sid = world.sid): Promise<string[]> {
  const ids: string[] = [];
  for (let seq = 0; seq < count; seq++) ids.push(await world.write(`seq ${seq}`, sid));
  return ids;
}

export const READ_CASES: readonly Case[] = [
  {
    name: 'pull from the beginning: each entry once, in order, on into what comes',
    run: async (world) => {
      const client = await world.open();
      const ids = await fill(world, 250);
      const pull = await client.pull(world.sid, { lastEntryId: '0' });
      await pull.until(() => pull.entries.length >= 100);
      ids.push(...(await fill(world, 150)));
      await pull.until(() => pull.entries.length >= ids.length);
      expect(pull.ids).toEqual(ids);
      expect(pull.entries.map(textOf).slice(0, 3)).toEqual(['seq 0', 'seq 1', 'seq 2']);
      for (const { id, time, stream } of pull.entries.slice(0, 3)) {
        expect([time, stream]).toEqual([Number(id.split('-')[0]), world.sid]);
      }
    },
  },
  {
    name: 'pull from now on: nothing from before, and then everything',
    run: async (world) => {
      const client = await world.open();
      const before = await fill(world, 3);
      const pull = await client.pull(world.sid);
      const ids: string[] = [];
      await vi.waitFor(async () => {
        ids.push(await world.write('after'));
        expect(pull.entries.length).toBeGreaterThan(3);
      }, SOON);
      await pull.until(() => pull.ids.at(-1) === ids.at(-1));
      expect(before).not.toContain(pull.ids[0]);
      expect(pull.ids).toEqual(ids.slice(ids.indexOf(pull.ids[0]!)));
    },
  },
  {
    name: 'pull after an id, and of several streams after an id each',
    run: async (world) => {
      const client = await world.open();
      const [a, b] = [`${world.sid}-a`, `${world.sid}/b c`];
      const [inA, inB] = [await fill(world, 20, a), await fill(world, 20, b)];
      const one = await client.pull(a, { lastEntryId: inA[4]!, count: 1 });
      await one.until(() => one.entries.length === 15);
      expect(one.ids).toEqual(inA.slice(5));
      const both = await client.pull([a, b], { lastEntryId: `${inA[9]}+${inB[14]}`, count: 3 });
      await both.until(() => both.entries.length === 15);
      const ofBoth = (sid: string) => both.entries.filter(({ stream }) => stream === sid).map(({ id }) => id);
      expect([ofBoth(a), ofBoth(b)]).toEqual([inA.slice(10), inB.slice(15)]);
    },
  },
  {
    name: 'pull with latest: a consumer that takes its time sees the newest, never an older one',
    run: async (world) => {
      const client = await world.open();
      const old = await fill(world, 300);
      const pull = await client.pull(world.sid, { lastEntryId: '0', latest: true, ack: true, credit: 0 });
      await pull.until(() => pull.entries.length === 1);
      expect(pull.ids).toEqual([old.at(-1)]);
      const live = await client.pull(world.sid, { lastEntryId: old.at(-1)! });
      const ids = await fill(world, 300);
      // Until the gateway has read them all, its newest is an older one.
      await live.until(() => live.entries.length === ids.length);
      // The second was on its way perhaps, the third was not.
      for (let taken = 1; pull.ids.at(-1) !== ids.at(-1); taken++) {
        expect(taken).toBeLessThan(3);
        await pull.credit(1);
        await pull.until(() => pull.entries.length > taken);
      }
      await pull.leave();
    },
  },
  {
    name: 'pull with ack: every entry all the same',
    run: async (world) => {
      const client = await world.open();
      const ids = await fill(world, 60);
      const pull = await client.pull(world.sid, { lastEntryId: '0', ack: true, count: 7 });
      await pull.until(() => pull.entries.length === ids.length);
      ids.push(await world.write('one more'));
      await pull.until(() => pull.entries.length === ids.length);
      expect(pull.ids).toEqual(ids);
    },
  },
  {
    name: 'latest and read: the newest entry, and all of them from cursor to cursor',
    run: async (world) => {
      const client = await world.open();
      expect(await client.call('latest', { stream: world.sid })).toBeNull();
      const ids = await fill(world, 25);
      const newest = (await client.call('latest', { stream: world.sid }))!;
      expect([newest.id, textOf(newest), newest.stream]).toEqual([ids.at(-1), 'seq 24', world.sid]);
      const read: string[] = [];
      let cursor = '0';
      for (let size = -1; size !== 0; ) {
        const found = await client.call('read', {
          streams: [world.sid],
          lastEntryId: cursor,
          count: 10,
          block: -1,
        });
        size = found.entries.length;
        expect(size).toBeLessThanOrEqual(10);
        read.push(...found.entries.map(({ id }) => id));
        ({ cursor } = found);
      }
      expect(read).toEqual(ids);
      const next = client.call('read', {
        streams: [world.sid],
        lastEntryId: cursor,
        count: 10,
        block: 20_000,
      });
      const id = await world.write('awaited');
      expect((await next).entries.map((entry) => entry.id)).toEqual([id]);
    },
  },
  {
    name: 'entries of other programs: without a field d they are JSON',
    run: async (world) => {
      const client = await world.open();
      await world.redis.xadd(`default:${world.sid}`, '*', 'volts', '3', 'note', 'é');
      const frame = stampedFrame('w', 0, 300_000);
      await world.write(frame);
      const pull = await client.pull(world.sid, { lastEntryId: '0' });
      await pull.until(() => pull.entries.length === 2);
      expect(JSON.parse(textOf(pull.entries[0]!))).toEqual({ volts: '3', note: 'é' });
      expect(pull.entries[1]!.size).toBe(frame.length);
      expect(stampOf(frame)).toBe('w#0');
    },
  },
  {
    name: 'a pull that is refused ends with the gateway’s code',
    run: async (world) => {
      const client = await world.open();
      await world.redis.set(`default:${world.sid}`, 'text');
      const refusals = await Promise.all([
        client.pull(world.sid),
        client.pull('control\u0001'),
        client.pull(world.sid, { lastEntryId: 'yesterday' }),
        client.pull(`${world.sid}-other`, { lastEntryId: '0', count: -1 }),
      ]);
      const ends = await Promise.all(refusals.map((pull) => pull.end()));
      expect(ends.map((end) => end?.code)).toEqual([
        'wrong_type',
        'bad_name',
        'bad_parameter',
        'bad_parameter',
      ]);
    },
  },
  {
    name: 'a key that becomes something else under way ends its pull',
    run: async (world) => {
      const client = await world.open();
      const key = `default:${world.sid}`;
      await fill(world, 1);
      const pull = await client.pull(world.sid, { lastEntryId: '0' });
      await pull.until(() => pull.entries.length === 1);
      await world.redis.set(key, 'text');
      expect(await pull.end()).toMatchObject({ code: 'closed', closeCode: 4409 });
    },
  },
  {
    name: 'metadata of streams and devices, listings, and a query of one’s own',
    run: async (world) => {
      const client = await world.open();
      await fill(world, 2);
      const key = `default:${world.sid}`;
      expect(await client.call('streamMeta', { stream: key })).toEqual({});
      await client.call('updateStreamMeta', { stream: key, meta: { unit: 'V', rate: 10 }, merge: false });
      await client.call('updateStreamMeta', { stream: key, meta: { rate: 20 }, merge: true });
      expect(await client.call('streamMeta', { stream: key })).toEqual({ unit: 'V', rate: 20 });
      await client.call('updateStreamMeta', { stream: key, meta: { unit: 'A' }, merge: false });
      expect(await client.call('streamMeta', { stream: key })).toEqual({ unit: 'A' });
      const streams = await client.call('streams', {});
      expect(streams).toContainEqual(expect.objectContaining({ id: key, length: 2 }));
      const device = `${world.sid}-device`;
      await client.call('connectDevice', { device, meta: { model: 'x' } });
      expect(await client.call('devices', {})).toContainEqual({ id: device, meta: { model: 'x' } });
      await client.call('disconnectDevice', { device });
      expect((await client.call('devices', {})).map(({ id }) => id)).not.toContain(device);
      const query = 'query ($id: String!) { stream(id: $id) { length } }';
      expect(await client.call('graphql', { query, variables: { id: key } })).toEqual({
        stream: { length: 2 },
      });
      const wrong = { query: 'mutation { connectDevice(deviceId: "a+b") }', variables: {} };
      await expect(client.call('graphql', wrong)).rejects.toMatchObject({ code: 'bad_name' });
    },
  },
  {
    name: 'metadata and deletion mean the client’s own device and prefix, as push and pull do',
    run: async (world) => {
      const device = `${world.sid.replaceAll(':', '')}-robot`;
      const [own, plain] = [await world.open({ device, prefix: 'arm-' }), await world.open()];
      const key = `${device}:arm-${world.sid}`;
      // Neither a stream of the default device nor one whose whole key that is.
      for (const other of [`default:${world.sid}`, world.sid, `default:arm-${world.sid}`]) {
        await world.redis.xadd(other, '*', 'd', 'x');
      }
      await own.call('append', { stream: world.sid, data: { text: 'x' } });
      const stream = world.sid;
      await own.call('updateStreamMeta', { stream, meta: { unit: 'V' }, merge: false });
      await own.call('updateStreamMeta', { stream, meta: { rate: 5 }, merge: true });
      expect(await own.call('streamMeta', { stream })).toEqual({ unit: 'V', rate: 5 });
      expect(JSON.parse((await world.redis.get(`:stream:meta:${key}`))!)).toEqual({ unit: 'V', rate: 5 });
      expect(await plain.call('streamMeta', { stream: `default:${world.sid}` })).toEqual({});
      expect(await own.call('deleteStream', { stream })).toBe(true);
      expect(await own.call('deleteStream', { stream })).toBe(false);
      expect(await world.redis.exists(key, `:stream:meta:${key}`)).toBe(0);
      expect(await world.redis.exists(`default:${world.sid}`, world.sid, `default:arm-${world.sid}`)).toBe(3);
    },
  },
  {
    name: 'metadata of a system stream, whatever the client’s device and prefix',
    run: async (world) => {
      const client = await world.open({ prefix: 'arm-' });
      await world.redis.xadd(':event:device.connected', '*', 'd', '{}');
      expect(await client.call('streamMeta', { stream: ':event:device.connected' })).toEqual({});
    },
  },
];
