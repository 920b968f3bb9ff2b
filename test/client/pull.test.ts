/** The client's pull against a gateway as users run it, with WebSockets that can be paused and with those of browsers. */
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, test, vi } from 'vitest';
import { WebSocket } from 'ws';
import type { WebSocketConstructor } from '../../src/client/connection.js';
import type { Entry } from '../../src/client/entry.js';
import type { Gap } from '../../src/client/gap.js';
import { Streamgate } from '../../src/client/node.js';
import type { StreamgateOptions } from '../../src/client/streamgate.js';
import { startForFile } from '../support/gateway-fixture.js';

/** Others use the machine at the same time. */
const soon = (check: () => void) => vi.waitFor(check, { timeout: 15_000 });

const { redis, gateway } = await startForFile();

/** What a browser's has, and nothing else. */
class BrowserSocket extends WebSocket {
  constructor(url: string, protocols: string[]) {
    super(url, protocols);
    Object.assign(this, { pause: undefined, resume: undefined, terminate: undefined });
  }
}
for (const name of ['pause', 'resume', 'terminate']) {
  Object.defineProperty(BrowserSocket.prototype, name, { value: undefined, writable: true });
}

const PLATFORMS: [string, StreamgateOptions][] = [
  ['Node', {}],
  ['a browser', { WebSocket: BrowserSocket as unknown as WebSocketConstructor }],
];

const text = ({ data }: Entry) => Buffer.from(data).toString();

async function take(entries: AsyncIterable<Entry>, count: number): Promise<Entry[]> {
  const taken: Entry[] = [];
  for await (const entry of entries) if (taken.push(entry) >= count) break;
  return taken;
}

async function fill(key: string, count: number, size = 0): Promise<string[]> {
  const texts = Array.from({ length: count }, (_, index) => `${index}`.padEnd(size, '.'));
  await Promise.all(
    texts.map((value, index) => redis.client.xadd(`default:${key}`, `${index + 1}-0`, 'd', value)),
  );
  return texts;
}

describe.each(PLATFORMS)('in %s', (platform, options) => {
  const sid = (name: string) => `${name}-${platform.replace(' ', '-')}`;
  const gate = () => new Streamgate(gateway.http, options);

  test('entries come whole, in order, and leaving the loop closes the connection', async () => {
    const texts = await fill(sid('whole'), 2500);
    const entries = await take(gate().pull(sid('whole'), { lastEntryId: '0' }), texts.length);
    expect(entries.map(text)).toEqual(texts);
    expect(entries[1499]).toMatchObject({ stream: sid('whole'), id: '1500-0', time: 1500 });
    await expect.poll(() => gateway.metric('connections{endpoint="pull"}')).toBe(0);
  });

  test('$ is the end at the moment of the call, for each of several streams', async () => {
    await fill(sid('a'), 3);
    await fill(sid('b'), 5);
    const states: string[] = [];
    const entries = gate().pull([sid('a'), sid('b')], { onState: ({ state }) => states.push(state) });
    const taken = take(entries, 2);
    await soon(() => expect(states).toEqual(['connecting', 'open']));
    await redis.client.xadd(`default:${sid('b')}`, '6-0', 'd', 'new b');
    await redis.client.xadd(`default:${sid('a')}`, '4-0', 'd', 'new a');
    expect((await taken).map((entry) => `${entry.stream} ${entry.id} ${text(entry)}`).sort()).toEqual([
      `${sid('a')} 4-0 new a`,
      `${sid('b')} 6-0 new b`,
    ]);
  });

  test('a slow consumer gets all of it, and its memory stays bounded', async () => {
    const texts = await fill(sid('slow'), 60, 500_000);
    const before = process.memoryUsage().arrayBuffers;
    const entries = gate().pull(sid('slow'), { lastEntryId: '0' });
    const got: string[] = [];
    for await (const entry of entries) {
      got.push(text(entry).slice(0, 3));
      if (got.length === 1) {
        // Long enough for all 30 MB to come, if nobody held them back.
        await delay(700);
        expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(22_000_000);
      }
      if (got.length === texts.length) break;
    }
    expect(got).toEqual(texts.map((value) => value.slice(0, 3)));
  });

  test('latest skips, and never goes back', async () => {
    await fill(sid('newest'), 100);
    const ids: number[] = [];
    for await (const { time } of gate().pull(sid('newest'), { lastEntryId: '0', latest: true })) {
      ids.push(time);
      if (time === 300) break;
      if (ids.length === 1) {
        for (let id = 101; id <= 300; id++)
          await redis.client.xadd(`default:${sid('newest')}`, `${id}-0`, 'd', 'x');
      }
    }
    expect(ids[0]).toBe(100);
    expect(ids.length).toBeLessThan(10);
    expect([...ids].sort((a, b) => a - b)).toEqual(ids);
  });

  test('from one moment until another, at the pace of the entries', async () => {
    const start = Date.now() - 60_000;
    for (let index = 0; index < 6; index++) {
      await redis.client.xadd(`default:${sid('replayed')}`, `${start + index * 100}-0`, 'd', `${index}`);
    }
    const times: number[] = [];
    const values: string[] = [];
    const range = { from: new Date(start + 100), until: start + 400, speed: 2 };
    for await (const entry of gate().pull(sid('replayed'), range)) {
      values.push(text(entry));
      times.push(performance.now());
    }
    expect(values).toEqual(['1', '2', '3', '4']);
    expect(times.at(-1)! - times[0]!).toBeGreaterThan(120);
  });

  test('entries that were trimmed are told before those that follow', async () => {
    await fill(sid('trimmed'), 20);
    const told: unknown[] = [];
    const options = { lastEntryId: '5-0', onGap: (gap: Gap) => told.push(gap) };
    await redis.client.xtrim(`default:${sid('trimmed')}`, 'MAXLEN', 10);
    for await (const entry of gate().pull(sid('trimmed'), options)) if (told.push(entry.id) === 3) break;
    expect(told).toEqual([
      { stream: sid('trimmed'), after: '5-0', resumedAt: '11-0', reason: 'trimmed' },
      '11-0',
      '12-0',
    ]);
    expect((await gate().read(sid('trimmed'), { lastEntryId: '5-0' })).gaps).toEqual(told.slice(0, 1));
  });

  test('a signal ends the iteration, without an error', async () => {
    const stop = new AbortController();
    const states: string[] = [];
    const onState = ({ state }: { state: string }) => states.push(state);
    const ended = take(gate().pull(sid('quiet'), { signal: stop.signal, onState }), 1);
    await soon(() => expect(states).toContain('open'));
    stop.abort();
    expect(await ended).toEqual([]);
    expect(await take(gate().pull(sid('quiet'), { signal: stop.signal }), 1)).toEqual([]);
  });

  test('a refusal is told with its code, and not asked for again', async () => {
    const pulls = [
      gate().pull('a+b', { lastEntryId: '0' }),
      gate().pull('cam', { lastEntryId: 'soon' }),
      gate().pull('cam', { lastEntryId: '0', maxFps: -1 }),
      gate().pull('cam', { from: 'once' }),
      gate().pull('cam', { lastEntryId: '0', speed: -1 }),
    ];
    const codes = await Promise.all(pulls.map((entries) => take(entries, 1).catch((error) => error.code)));
    expect(codes).toEqual(['bad_name', ...Array(4).fill('bad_parameter')]);
  });
});

test('where nothing answers, it is tried again, unless that is not wanted', async () => {
  const gate = new Streamgate('http://127.0.0.1:1');
  await expect(take(gate.pull('cam', { reconnect: false }), 1)).rejects.toMatchObject({
    code: 'unreachable',
  });
  await expect(take(gate.pull('cam', { reconnect: 'after-open' }), 1)).rejects.toMatchObject({
    code: 'unreachable',
  });
  const stop = new AbortController();
  const waits: number[] = [];
  const entries = gate.pull('cam', {
    signal: stop.signal,
    onState: (state) => {
      if (state.state === 'waiting' && waits.push(state.retryInMs) === 3) stop.abort();
    },
  });
  expect(await take(entries, 1)).toEqual([]);
  expect(waits[2]).toBeGreaterThan(waits[0]!);
});
