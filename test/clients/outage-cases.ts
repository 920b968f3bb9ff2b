/** Gateway and Redis are killed and restarted under way: what clients go on with, and what they are told. */
import { expect, vi } from 'vitest';
import { Balancer } from '../support/balancer.js';
import { freePort } from '../support/free-port.js';
import { checkWrites } from '../support/write-checker.js';
import type { DrivenClient, DrivenPull } from './driven-client.js';
import type { Outcome } from './protocol.js';
import { type Case, SOON, startGatewayOn, type World } from './world.js';

/** So much is written before, between and after the outages. */
const ROUND = 300;

interface Traffic {
  readonly client: DrivenClient;
  readonly pull: DrivenPull;
  /** Ends the writing and holds what everyone was told against what is stored. */
  check(): Promise<{ outcomes: readonly Outcome[]; stored: number }>;
}

/** One client that writes and, from the beginning on, reads. */
async function startTraffic(world: World, resend = false, url = world.gateway.http): Promise<Traffic> {
  const client = await world.open({ url });
  const pull = await client.pull(world.sid, { lastEntryId: '0' });
  await client.call('push', { name: 'p', stream: world.sid, resend });
  await client.call('load', { name: 'p', writer: 'w', bytes: 200, window: 40 });
  await world.moreStored(ROUND);
  return {
    client,
    pull,
    check: async () => {
      const { outcomes } = await client.call('unload', { name: 'p' });
      await client.call('close', { name: 'p' });
      const stored = await world.stored();
      await pull.until(() => pull.ids.at(-1) === stored.at(-1)!.id);
      expect(pull.ids).toEqual(stored.map(({ id }) => id));
      if (!resend) {
        const sent = outcomes.map((outcome, seq) => ({ sid: world.sid, stamp: `w#${seq}`, outcome }));
        checkWrites(sent as Parameters<typeof checkWrites>[0], new Map([[world.sid, stored]]));
      }
      return { outcomes, stored: stored.length };
    },
  };
}

const codes = (outcomes: readonly Outcome[]): string[] => [
  ...new Set(outcomes.flatMap((outcome) => (typeof outcome === 'string' ? [] : [outcome.code]))),
];

export const OUTAGE_CASES: readonly Case[] = [
  {
    name: 'the gateway is killed twice: a pull has every entry once, a producer knows what it does not know',
    run: async (world) => {
      const traffic = await startTraffic(world);
      for (let kill = 0; kill < 2; kill++) {
        await world.servers.killGateway();
        await world.servers.startGateway();
        await world.moreStored(ROUND);
      }
      const { outcomes, stored } = await traffic.check();
      expect(stored).toBeGreaterThanOrEqual(3 * ROUND);
      expect(['unknown_outcome', undefined]).toContain(codes(outcomes)[0]);
      expect(codes(outcomes).length).toBeLessThan(2);
    },
  },
  {
    name: 'the gateway is killed, and a producer sends again what was not acknowledged: all is stored',
    run: async (world) => {
      const traffic = await startTraffic(world, true);
      await world.servers.killGateway();
      await world.servers.startGateway();
      await world.moreStored(ROUND);
      const { outcomes } = await traffic.check();
      const stored = new Map((await world.stored()).map(({ id, stamp }) => [id, stamp]));
      expect(outcomes.map((id) => stored.get(id as string))).toEqual(outcomes.map((_, seq) => `w#${seq}`));
    },
  },
  {
    name: 'the gateway goes down in order and another takes its place',
    run: async (world) => {
      const traffic = await startTraffic(world);
      await world.servers.killGateway('SIGTERM');
      await world.servers.startGateway();
      await world.moreStored(ROUND);
      const { outcomes } = await traffic.check();
      expect(codes(outcomes).filter((code) => !['unknown_outcome', 'shutting_down'].includes(code))).toEqual(
        [],
      );
    },
  },
  {
    name: 'two gateways behind a balancer are restarted in turn: nothing is lost, doubled or out of order',
    run: async (world) => {
      const ports = await Promise.all([freePort(), freePort()]);
      const gateways = await Promise.all(ports.map((port) => startGatewayOn(world.servers.redis, port)));
      const balancer = await Balancer.start(ports);
      try {
        const traffic = await startTraffic(world, true, balancer.http);
        for (const [index, port] of ports.entries()) {
          balancer.ports = ports.filter((other) => other !== port);
          await gateways[index]!.stop();
          await world.moreStored(ROUND);
          gateways[index] = await startGatewayOn(world.servers.redis, port);
          balancer.ports = ports;
        }
        await world.moreStored(ROUND);
        const { outcomes } = await traffic.check();
        const stored = await world.stored();
        expect(stored.map(({ id }) => id)).toEqual(outcomes);
        expect(stored.map(({ stamp }) => stamp)).toEqual(outcomes.map((_, seq) => `w#${seq}`));
      } finally {
        await balancer.stop();
        await Promise.all(gateways.map((gateway) => gateway.stop()));
      }
    },
  },
  {
    name: 'Redis is killed and comes back: nothing is lost or doubled, and nobody has to come back',
    run: async (world) => {
      const traffic = await startTraffic(world);
      for (let kill = 0; kill < 2; kill++) {
        await world.servers.killRedis();
        await world.servers.redis.restart();
        await world.moreStored(ROUND);
      }
      const { outcomes } = await traffic.check();
      expect(codes(outcomes)).toEqual([]);
    },
  },
  {
    name: 'a pull from now on, cut off before its first entry, misses nothing',
    run: async (world) => {
      const client = await world.open();
      await world.write('before');
      const pull = await client.pull(world.sid);
      await vi.waitFor(async () => expect(await world.gateway.metric('followers')).toBe(1), SOON);
      await world.servers.killGateway();
      const ids = [await world.write('while'), await world.write('it was away')];
      await world.servers.startGateway();
      await pull.until(() => pull.entries.length === 2);
      ids.push(await world.write('after'));
      await pull.until(() => pull.entries.length === 3);
      expect(pull.ids).toEqual(ids);
    },
  },
  {
    name: 'without a gateway: a request fails, a pull and a producer wait for it, and may be given up',
    run: async (world) => {
      await world.servers.killGateway();
      const client = await world.open();
      await expect(client.call('latest', { stream: world.sid })).rejects.toMatchObject({
        code: 'unreachable',
      });
      const once = await client.pull(world.sid, { reconnect: false });
      expect((await once.end())?.code).toBe('unreachable');
      await client.call('push', { name: 'given up', stream: world.sid });
      const lost = client.call('send', { name: 'given up', entries: [{ data: { text: 'never sent' } }] });
      await client.call('abort', { name: 'given up' });
      expect(await lost).toEqual([expect.objectContaining({ code: expect.any(String) })]);
      const id = await world.write('old');
      const pull = await client.pull(world.sid, { lastEntryId: '0' });
      await client.call('push', { name: 'p', stream: world.sid });
      const sent = client.call('send', { name: 'p', entries: [{ data: { text: 'x' } }] });
      await world.servers.startGateway();
      const ids = [id, ...(await sent)];
      await pull.until(() => pull.entries.length === 2);
      expect(pull.ids).toEqual(ids);
    },
  },
  {
    name: 'a pull that shall not reconnect ends with what ended it',
    run: async (world) => {
      const client = await world.open();
      const id = await world.write('x');
      const ended = [];
      for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
        const pull = await client.pull(world.sid, { lastEntryId: '0', reconnect: false });
        await pull.until(() => pull.ids.includes(id));
        await world.servers.killGateway(signal);
        ended.push(await pull.end());
        await world.servers.startGateway();
      }
      expect(ended).toMatchObject([
        { code: 'closed', closeCode: 1001 },
        { code: 'closed', closeCode: 1006 },
      ]);
    },
  },
];
