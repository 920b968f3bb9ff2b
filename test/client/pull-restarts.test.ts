/** What a pull of the client makes of a gateway and a Redis that are killed and started again meanwhile. */
import { once } from 'node:events';
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import type { GatewayError } from '../../src/client/gateway-error.js';
import { Streamgate } from '../../src/client/node.js';
import { RestartedGateway } from '../support/restarted-gateway.js';

/** Others use the machine at the same time. */
const soon = (check: () => void) => vi.waitFor(check, { timeout: 20_000 });

let gateway: RestartedGateway;

beforeAll(async () => {
  gateway = await RestartedGateway.start();
});

beforeEach(async () => {
  await gateway.redis.client.flushall();
});

afterAll(() => gateway?.stop());

const text = (data: Uint8Array) => Buffer.from(data).toString();

test.each(['SIGKILL', 'SIGTERM'] as const)(
  'a pull goes on where it was when the gateway is ended by %s, in each of its streams',
  async (signal) => {
    const gate = new Streamgate(gateway.url);
    const got: Record<string, string[]> = { a: [], b: [] };
    const states: string[] = [];
    const stop = new AbortController();
    const pulled = (async () => {
      const onState = ({ state }: { state: string }) => states.push(state);
      for await (const { stream, data } of gate.pull(['a', 'b'], { signal: stop.signal, onState })) {
        got[stream]!.push(text(data));
      }
    })();
    const add = async (...values: string[]) => {
      for (const value of values) {
        await gateway.redis.client.xadd('default:a', '*', 'd', value);
        // The second stream has nothing before the first restart: its end is pinned all the same.
        if (Number(value) > 2) await gateway.redis.client.xadd('default:b', '*', 'd', value);
      }
    };
    await soon(() => expect(states).toContain('open'));
    await add('1', '2');
    await soon(() => expect(got.a).toEqual(['1', '2']));
    await gateway.end(signal);
    await add('3', '4');
    await gateway.begin();
    await add('5');
    const expected = { a: ['1', '2', '3', '4', '5'], b: ['3', '4', '5'] };
    await soon(() => expect(got).toEqual(expected));
    stop.abort();
    await pulled;
    expect(states.filter((state) => state === 'open').length).toBe(2);
  },
);

test('what is stored before the first entry of a pull comes, though the connection was lost meanwhile', async () => {
  const states: string[] = [];
  const gate = new Streamgate(gateway.url);
  const entries = gate.pull('quiet', { onState: ({ state }) => states.push(state) });
  const first = entries.next();
  await soon(() => expect(states).toContain('open'));
  await gateway.end('SIGKILL');
  await gateway.redis.client.xadd('default:quiet', '*', 'd', 'meanwhile');
  await gateway.begin();
  expect(text((await first).value!.data)).toBe('meanwhile');
  await entries.return();
});

test('a pull goes on when Redis was killed, nothing lost or doubled', async () => {
  const gate = new Streamgate(gateway.url);
  const got: string[] = [];
  const stop = new AbortController();
  const pulled = (async () => {
    for await (const { data } of gate.pull('cam', { lastEntryId: '0', signal: stop.signal }))
      got.push(text(data));
  })();
  const push = (value: string) =>
    vi.waitFor(() => gate.append('cam', value), { timeout: 15_000, interval: 100 });
  await push('1');
  await soon(() => expect(got).toEqual(['1']));
  gateway.redis.process.kill('SIGKILL');
  await once(gateway.redis.process, 'exit');
  const refused = (await gate.append('cam', 'lost').catch((error) => error)) as GatewayError;
  expect(refused).toMatchObject({ code: 'redis_unavailable', mayPass: true });
  expect(refused.retryAfterMs).toBeGreaterThan(0);
  await gateway.redis.restart();
  await push('2');
  await soon(() => expect(got).toEqual(['1', '2']));
  stop.abort();
  await pulled;
});
