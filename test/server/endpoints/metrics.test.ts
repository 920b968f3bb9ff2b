/** `/metrics`: its form, what it counts, and that the dashboard shows the same. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { METRICS } from '../../../src/server/endpoints/metrics.js';
import { startForFile } from '../../support/gateway-fixture.js';
import { startGatewayProcess } from '../../support/gateway-process.js';
import { GraphqlSocket } from '../../support/graphql-socket.js';
import { postEntries } from '../../support/http.js';
import { TestSocket } from '../../support/socket.js';
import { StreamFollower } from '../../support/stream-follower.js';
import { StreamWriter } from '../../support/stream-writer.js';

const WAIT = { timeout: 10_000, interval: 20 };
const SAMPLE = /^([a-zA-Z_:][\w:]*)(\{(?:\w+="(?:[^"\\]|\\.)*",?)*\})? (-?[\d.]+(?:e[-+]?\d+)?|NaN|[-+]Inf)$/;

const { redis, gateway } = await startForFile();

const scrape = async () => (await fetch(`${gateway.http}/metrics`)).text();
const own = Object.entries(METRICS).map(([name, kind]) => ({ name: `streamgate_${name}`, ...kind }));

describe('the form', () => {
  test('is what Prometheus reads', async () => {
    const response = await fetch(`${gateway.http}/metrics`);
    expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
    const text = await response.text();
    expect(text.endsWith('\n')).toBe(true);
    const typed = new Map<string, string>();
    const helped = new Set<string>();
    for (const line of text.trimEnd().split('\n')) {
      if (line === '') continue;
      const [, comment, name, rest] = /^# (HELP|TYPE) (\S+) (.+)$/.exec(line) ?? [];
      if (comment === 'HELP') helped.add(name!);
      else if (comment === 'TYPE') typed.set(name!, rest!);
      else {
        const sample = SAMPLE.exec(line);
        expect(sample, line).not.toBeNull();
        const [, whole] = sample!;
        const family = typed.has(whole!) ? whole! : whole!.replace(/_(bucket|sum|count)$/, '');
        expect(typed.has(family) && helped.has(family), line).toBe(true);
      }
    }
    for (const { name, type } of own) expect([name, typed.get(name)]).toEqual([name, type]);
    for (const name of ['process_resident_memory_bytes', 'nodejs_eventloop_lag_p99_seconds']) {
      expect(typed.get(name)).toBe('gauge');
    }
  });

  test.each(own)('$name is named by the conventions', ({ name, type, help, label }) => {
    expect(name).toMatch(/^streamgate_[a-z]+(_[a-z]+)*$/);
    expect(name.endsWith('_total')).toBe(type === 'counter');
    // A unit is the last word, or the last before total; and only base units.
    expect(name).not.toMatch(/(bytes|seconds)_(?!total$)/);
    expect(name).not.toMatch(/_(ms|milliseconds|kb|mb|count|sum|bucket)(_|$)/);
    if (type === 'histogram') expect(name).toMatch(/_(seconds|bytes)$/);
    expect(help).toMatch(/^[A-Z].*[^.]\.$/);
    expect(['endpoint', 'code', 'state', 'role', 'type', 'reader', 'reason', 'kind', undefined]).toContain(
      label,
    );
  });

  test('every series is there before anything happened', async () => {
    const fresh = await startGatewayProcess({ REDIS_URL: redis.url, READER_THREADS: '2' });
    try {
      const text = await (await fetch(`${fresh.http}/metrics`)).text();
      const seriesOf = (name: string) =>
        text.split('\n').filter((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`));
      for (const { name, type, label } of own) {
        const series = seriesOf(type === 'histogram' ? `${name}_bucket` : name);
        expect(series.length, name).toBeGreaterThanOrEqual(label === undefined ? 1 : 2);
      }
      expect(seriesOf('streamgate_connections').sort()).toEqual(
        ['events', 'graphql', 'graphql_events', 'mjpeg', 'overview', 'pull', 'push'].map(
          (e) => `streamgate_connections{endpoint="${e}"} 0`,
        ),
      );
      expect(seriesOf('streamgate_ack_latency_seconds_bucket').at(-1)).toMatch(/\{le="\+Inf"\} 0$/);
    } finally {
      await fresh.stop();
    }
  });
});

describe('what is counted', () => {
  /** By how much metrics grow while something is done. */
  async function growth(names: readonly string[], act: () => Promise<unknown>): Promise<number[]> {
    const read = () => Promise.all(names.map((name) => gateway.metric(name)));
    const before = await read();
    await act();
    return (await read()).map((value, index) => value - before[index]!);
  }

  const entriesAndBytes = (direction: 'in' | 'out', ...endpoints: string[]) =>
    endpoints.flatMap((endpoint) => [
      `entries_${direction}_total{endpoint="${endpoint}"}`,
      `${direction}_bytes_total{endpoint="${endpoint}"}`,
    ]);

  test('entries and bytes, by where they came in', async () => {
    const grown = await growth(entriesAndBytes('in', 'push', 'post'), async () => {
      await postEntries(`${gateway.http}/data/in`, '12345');
      const socket = await TestSocket.open(`${gateway.ws}/data/in/push?ack=1`);
      await socket.push([3, 10], '1234567890');
      await socket.close();
    });
    expect(grown).toEqual([2, 10, 1, 5]);
  });

  test('and by where they went out', async () => {
    for (const body of ['12345', '123', '']) await postEntries(`${gateway.http}/data/out`, body);
    const grown = await growth(entriesAndBytes('out', 'pull', 'get', 'graphql'), async () => {
      const follower = await TestSocket.open(`${gateway.ws}/data/out/pull?last_entry_id=0&header=0`);
      for (let entry = 0; entry < 3; entry++) await follower.receive();
      await follower.close();
      await (await fetch(`${gateway.http}/data/out?last_entry_id=0&count=2`)).arrayBuffer();
      const graphql = await GraphqlSocket.open(gateway);
      const query = 'subscription { data(streamIds: ["out"], lastEntryId: "0") { string } }';
      await graphql.run(query).nextOf(3);
      await graphql.close();
    });
    expect(grown).toEqual([3, 8, 2, 8, 3, 8]);
  });

  test('refusals, by their code', async () => {
    const names = ['entries_refused_total', 'failures_total'].flatMap((name) =>
      ['bad_header', 'bad_name', 'bad_parameter', 'not_found'].map((code) => `${name}{code="${code}"}`),
    );
    const grown = await growth(names, async () => {
      const acked = await TestSocket.open(`${gateway.ws}/data/refused/push?ack=1`);
      await acked.push([3], '12345');
      await acked.close();
      const silent = await TestSocket.open(`${gateway.ws}/data/*/push`);
      silent.send('[["a+b",3]]', Buffer.from('123'));
      await silent.closed;
      await fetch(`${gateway.http}/data/x?count=none`);
      await fetch(`${gateway.http}/nowhere`);
    });
    expect(grown).toEqual([1, 1, 0, 0, 0, 1, 1, 1]);
  });

  test('connections that are open, and that were opened', async () => {
    const kinds = ['push', 'pull', 'graphql', 'graphql_events'];
    const open = () => Promise.all(kinds.map((kind) => gateway.metric(`connections{endpoint="${kind}"}`)));
    const leaving = new AbortController();
    const grown = await growth(
      kinds.map((kind) => `connections_opened_total{endpoint="${kind}"}`),
      async () => {
        const push = await TestSocket.open(`${gateway.ws}/data/open/push`);
        const pull = await TestSocket.open(`${gateway.ws}/data/open/pull?block=0`);
        const graphql = await GraphqlSocket.open(gateway);
        const query = encodeURIComponent('subscription { data(streamIds: ["open"]) { string } }');
        const events = await fetch(`${gateway.http}/graphql?query=${query}`, {
          headers: { accept: 'text/event-stream' },
          signal: leaving.signal,
        });
        await expect.poll(open, WAIT).toEqual([1, 1, 1, 1]);
        await expect.poll(() => gateway.metric('graphql_subscriptions'), WAIT).toBe(1);
        // Kept until here: an answer that nobody holds is collected, and its connection closed.
        expect(events.status).toBe(200);
        leaving.abort();
        await Promise.all([push.close(), pull.close(), graphql.close()]);
      },
    );
    expect(grown).toEqual([1, 1, 1, 1]);
    await expect.poll(open, WAIT).toEqual([0, 0, 0, 0]);
    await expect.poll(() => gateway.metric('graphql_subscriptions'), WAIT).toBe(0);
  });

  test('GraphQL operations, over HTTP and WebSocket', async () => {
    const names = ['query', 'mutation', 'subscription'].map(
      (type) => `graphql_operations_total{type="${type}"}`,
    );
    const grown = await growth(names, async () => {
      const post = (query: string) =>
        fetch(`${gateway.http}/graphql`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ query }),
        });
      await post('{ devices { id } }');
      await post('mutation { connectDevice(deviceId: "counted") }');
      await post('{ not valid');
      const graphql = await GraphqlSocket.open(gateway);
      await graphql.run('{ devices { id } }').next();
      const subscription = graphql.run('subscription { data(streamIds: ["x"]) { string } }');
      await expect.poll(() => gateway.metric('graphql_subscriptions'), WAIT).toBe(1);
      subscription.complete();
      await graphql.close();
    });
    expect(grown).toEqual([2, 1, 1]);
  });

  test('how long acks and deliveries take, in seconds', async () => {
    const follower = await StreamFollower.open(gateway, 'lag', 'block=0', '0');
    const names = ['ack_latency_seconds', 'delivery_lag_seconds'].flatMap((name) => [
      `${name}_count`,
      `${name}_sum`,
    ]);
    const [acks, ackSeconds, deliveries, lagSeconds] = await growth(names, async () => {
      const writer = await StreamWriter.open(gateway, 'lag', 'w');
      for (let entry = 0; entry < 20; entry++) await writer.send(10);
      await follower.until(() => follower.entries.length === 20);
      await writer.close();
    });
    // Each was sent when the one before had been acknowledged, so each was a batch of its own.
    expect(acks).toBe(20);
    expect(ackSeconds).toBeGreaterThan(0);
    expect(ackSeconds).toBeLessThan(20);
    expect(deliveries).toBeGreaterThan(0);
    expect(lagSeconds).toBeLessThan(20);
    await follower.close();
    // Buckets are told as Prometheus has them: each counts all below its bound.
    const buckets = [
      ...(await scrape()).matchAll(/^streamgate_ack_latency_seconds_bucket\{le="(.+)"\} (\d+)$/gm),
    ];
    const counts = buckets.map(([, , count]) => Number(count));
    expect(counts).toEqual([...counts].sort((a, b) => a - b));
    expect(counts.at(-1)).toBe(await gateway.metric('ack_latency_seconds_count'));
  });

  test('followers that are live, catching up and behind', async () => {
    const states = async () =>
      Object.fromEntries(
        await Promise.all(
          ['live', 'catching_up', 'behind'].map(async (state) => [
            state,
            await gateway.metric(`followers{state="${state}"}`),
          ]),
        ),
      );
    const payload = Buffer.alloc(256 * 1024);
    for (let entry = 0; entry < 40; entry++) await redis.client.xadd('default:states', '*', 'd', payload);
    const live = await StreamFollower.open(gateway, 'states', 'block=0', '0');
    const paced = await TestSocket.open(`${gateway.ws}/data/states/pull?last_entry_id=0&max_fps=1&header=0`);
    const stuck = await TestSocket.open(`${gateway.ws}/data/states/pull?last_entry_id=0&header=0`);
    stuck.ws.pause();
    await expect.poll(states, WAIT).toEqual({ live: 1, catching_up: 1, behind: 1 });
    stuck.ws.resume();
    await Promise.all([live.close(), paced.close(), stuck.close()]);
    await expect.poll(states, WAIT).toEqual({ live: 0, catching_up: 0, behind: 0 });
  });

  test('clients that were closed since they did not read', async () => {
    const socket = await TestSocket.open(`${gateway.ws}/data/slow/push?ack=1`);
    // Each is answered with as many refusals, which are longer than what they refuse.
    const header = JSON.stringify(Array.from({ length: 1000 }, () => ['slow', 1]));
    const names = ['slow_closes_total{endpoint="push"}', 'failures_total{code="acks_unread"}'];
    const grown = await growth(names, async () => {
      socket.ws.pause();
      for (let message = 0; message < 300; message++) socket.send(header, Buffer.alloc(0));
      await expect.poll(() => gateway.metric('connections{endpoint="push"}'), WAIT).toBe(0);
    });
    expect(grown).toEqual([1, 1]);
    socket.ws.terminate();
  });

  test('no label ever holds a name', async () => {
    const name = 'a-name-of-its-own';
    await postEntries(`${gateway.http}/data/${name}?device_id=${name}`, 'x');
    const socket = await TestSocket.open(`${gateway.ws}/data/${name}/pull?device_id=${name}`);
    expect(await scrape()).not.toContain(name);
    await socket.close();
  });
});

describe('what is written of them', () => {
  test('the dashboard asks for nothing that there is not, and shows all that there is', async () => {
    const dashboard = JSON.parse(readFileSync('src/operations/grafana-dashboard.json', 'utf8')) as {
      panels: { title: string; type: string; targets?: { expr: string }[] }[];
    };
    const served = new Set(
      (await scrape())
        .split('\n')
        .filter((line) => line !== '' && !line.startsWith('#'))
        .map((line) => /^[\w:]+/.exec(line)![0]),
    );
    const asked = new Set<string>();
    for (const { title, type, targets = [] } of dashboard.panels) {
      if (type !== 'row') expect(targets.length, title).toBeGreaterThan(0);
      for (const { expr } of targets) {
        const names = expr.match(/\b(?:streamgate|process|nodejs)_\w+/g) ?? [];
        expect(names.length, expr).toBeGreaterThan(0);
        for (const name of names) {
          expect([...served], expr).toContain(name);
          asked.add(name.replace(/_(bucket|sum|count)$/, ''));
        }
      }
    }
    for (const { name } of own) expect([...asked]).toContain(name);
  });
});
