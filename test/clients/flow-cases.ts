/** Slow consumers, fast producers, and those who leave: what a client holds in memory and lets go. */
import { expect, vi } from 'vitest';
import { type Case, SOON } from './world.js';

const MIB = 1024 * 1024;

export const FLOW_CASES: readonly Case[] = [
  {
    name: 'a consumer that leaves its loop or is cancelled closes its connection',
    run: async (world) => {
      const client = await world.open();
      const open = () => world.gateway.metric('connections{endpoint="pull"}');
      const closed = () => vi.waitFor(async () => expect(await open()).toBe(0), SOON);
      for (let seq = 0; seq < 50; seq++) await world.write(Buffer.alloc(MIB, seq));
      const leaving = await client.pull(world.sid, { lastEntryId: '0', credit: 0 });
      await leaving.until(() => leaving.entries.length === 1);
      await vi.waitFor(async () => expect(await open()).toBe(1), SOON);
      await leaving.leave();
      expect(await leaving.end()).toBeNull();
      await closed();
      const waiting = await client.pull(world.sid);
      await vi.waitFor(async () => expect(await open()).toBe(1), SOON);
      await waiting.cancel();
      expect([null, 'cancelled']).toContain((await waiting.end())?.code ?? null);
      await closed();
    },
  },
  {
    name: 'a slow consumer’s memory is bounded, and it misses nothing',
    run: async (world) => {
      const client = await world.open();
      const ids: string[] = [];
      for (let seq = 0; seq < 160; seq++) ids.push(await world.write(Buffer.alloc(MIB, seq)));
      const before = await client.driver.residentBytes();
      const pull = await client.pull(world.sid, { lastEntryId: '0', credit: 0 });
      await vi.waitFor(async () => {
        expect(await world.gateway.metric('followers{state="behind"}')).toBe(1);
      }, SOON);
      await pull.until(() => pull.entries.length === 1);
      expect((await client.driver.residentBytes()) - before).toBeLessThan(80 * MIB);
      await pull.credit(ids.length);
      await pull.until(() => pull.entries.length === ids.length);
      expect(pull.ids).toEqual(ids);
    },
  },
  {
    name: 'a producer holds a bounded number of bytes while nothing is acknowledged',
    run: async (world) => {
      const client = await world.open();
      await client.call('push', { name: 'p', stream: world.sid, maxInFlightBytes: MIB });
      await client.call('load', { name: 'p', writer: 'w', bytes: 100_000, window: 1000 });
      await world.moreStored(20);
      world.servers.redis.process.kill('SIGSTOP');
      // As much as it may have under way waits in the gateway.
      await vi.waitFor(async () => {
        expect(await world.gateway.metric('append_queue_bytes')).toBeGreaterThan(MIB * 0.9);
      }, SOON);
      world.servers.redis.process.kill('SIGCONT');
      await world.moreStored(20);
      const { outcomes, mostUnsettled } = await client.call('unload', { name: 'p' });
      expect(outcomes.filter((outcome) => typeof outcome !== 'string')).toEqual([]);
      expect(mostUnsettled).toBeGreaterThanOrEqual(10);
      expect(mostUnsettled).toBeLessThan(13);
    },
  },
];
