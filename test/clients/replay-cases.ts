/** What was recorded, as it was: from a moment until another, at its pace, with its gaps told. */
import { expect } from 'vitest';
import type { Case, World } from './world.js';

/** A moment in the past; entries are some ms later. */
const BEGIN = Date.UTC(2026, 0, 2, 3, 4, 5);

/** Entries `stepMs` apart. @returns their ids */
async function record(world: World, count: number, stepMs: number, sid = world.sid): Promise<string[]> {
  const ids = Array.from({ length: count }, (_, index) => `${BEGIN + index * stepMs}-0`);
  for (const id of ids) await world.redis.xadd(`default:${sid}`, id, 'd', id);
  return ids;
}

export const REPLAY_CASES: readonly Case[] = [
  {
    name: 'a pull from one moment until another ends by itself',
    run: async (world) => {
      const client = await world.open();
      const ids = await record(world, 20, 100);
      const pull = await client.pull(world.sid, { from: BEGIN + 300, until: BEGIN + 1200 });
      expect(await pull.end()).toBeNull();
      expect(pull.ids).toEqual(ids.slice(3, 13));
    },
  },
  {
    name: 'a replay takes its time',
    run: async (world) => {
      const client = await world.open();
      const ids = await record(world, 11, 200);
      const begun = performance.now();
      const pull = await client.pull(world.sid, { from: BEGIN, until: BEGIN + 2000, speed: 4 });
      expect(await pull.end()).toBeNull();
      expect(performance.now() - begun).toBeGreaterThan(450);
      expect(pull.ids).toEqual(ids);
    },
  },
  {
    name: 'entries that were lost are told of before the one that follows',
    run: async (world) => {
      const client = await world.open();
      const ids = await record(world, 9, 1);
      await world.redis.xtrim(`default:${world.sid}`, 'MINID', '=', ids[5]!);
      const pull = await client.pull(world.sid, { lastEntryId: ids[1]!, gaps: true, count: 1 });
      await pull.until(() => pull.entries.length === 4);
      expect(pull.gaps).toEqual([
        { stream: world.sid, after: ids[1], resumed_at: ids[5], reason: 'trimmed' },
      ]);
      expect(pull.ids).toEqual(ids.slice(5));
    },
  },
];

export const INTERRUPTED_REPLAY_CASES: readonly Case[] = [
  {
    name: 'a pull from a moment goes on in all its streams after the gateway was killed',
    run: async (world) => {
      const client = await world.open();
      const [busy, silent] = [`${world.sid} busy`, `${world.sid} silent`];
      const ids = await record(world, 5, 10, busy);
      const pull = await client.pull([busy, silent], { from: BEGIN + 10 });
      await pull.until(() => pull.entries.length === 4);
      await world.servers.killGateway();
      const late = await record(world, 3, 10, silent);
      ids.push(await world.write('after', busy));
      await world.servers.startGateway();
      await pull.until(() => pull.entries.length >= 7);
      const of = (sid: string) => pull.entries.filter(({ stream }) => stream === sid).map(({ id }) => id);
      expect([of(busy), of(silent)]).toEqual([ids.slice(1), late.slice(1)]);
    },
  },
];
