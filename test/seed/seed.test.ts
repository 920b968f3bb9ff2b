/** Every example of the seed that sends or receives data, run by the Python clients that it names. */
import { describe, expect, test } from 'vitest';
import { startForFile } from '../support/gateway-fixture.js';
import { TestSocket } from '../support/socket.js';
import { Example, type ExampleOptions } from './example.js';

/** The longest wait of a read, so that the example which waits five seconds in vain does not. */
const MAX_BLOCK_MS = 1000;
const MINUTE_MS = 60_000;

const { redis, gateway } = await startForFile({ MAX_BLOCK_MS: String(MAX_BLOCK_MS) });

const runExample = (name: string, options?: ExampleOptions) => new Example(name, gateway.http, options);

/** What the examples' `serialize_bytes` makes of a timestamp and a text. */
function serialize(timestamp: number, text: string | Buffer): Buffer {
  const header = Buffer.alloc(8);
  header.writeDoubleBE(timestamp);
  return Buffer.concat([header, Buffer.from(text)]);
}

async function storedPayloads(key: string): Promise<Buffer[]> {
  const entries = await redis.client.xrangeBuffer(key, '-', '+');
  return entries.map(([, fields]) => {
    expect(fields[0]?.toString()).toBe('d');
    expect(fields).toHaveLength(2);
    return fields[1]!;
  });
}

/** Stores entries one after the other. @returns their ids */
async function store(path: string, ...payloads: (string | Buffer)[]): Promise<string[]> {
  const ids: string[] = [];
  for (const body of payloads) {
    const response = await fetch(`${gateway.http}/data/${path}`, {
      method: 'POST',
      body: new Uint8Array(Buffer.from(body)),
    });
    expect(response.status).toBe(200);
    ids.push(...((await response.json()) as string[]));
  }
  return ids;
}

describe('push', () => {
  const sent: [number, string][] = [
    [1.5, 'first'],
    [2.25, ''],
    [3, 'ünïcödé \u0000'],
  ];

  test.each(['push', 'push_without_header'])('%s.py', async (name) => {
    const example = runExample(name, { sid: name });
    for (const data of sent) example.step(data);
    expect(await example.end()).toBe('');
    expect(await storedPayloads(`default:${name}`)).toEqual(
      sent.map(([time, text]) => serialize(time, text)),
    );
  });
});

describe('pull.py', () => {
  /** Lets the example get so far that it handles the last of `count` entries. */
  async function handled(example: Example, count: number): Promise<(string | number)[][]> {
    const entries: (string | number)[][] = [];
    for (;;) {
      const { data } = await example.next('data');
      entries.push([...data]);
      if (entries.length === count) return entries;
      example.step();
    }
  }

  test('gets what is stored from its start on, entry by entry', async () => {
    await store('pull', 'before');
    const example = runExample('pull', { sid: 'pull' });
    await example.next('open');
    const payloads = ['one', '', 'three'];
    const ids = await store('pull', ...payloads);
    expect(await handled(example, 3)).toEqual(
      payloads.map((payload, index) => ['pull', ids[index], Buffer.from(payload).toString('base64')]),
    );
    expect(await example.end()).toBe('');
  });

  test('goes on through heartbeats', async () => {
    const example = runExample('pull', { sid: 'beats', query: 'block=20' });
    for (let beat = 0; beat < 3; beat++) {
      expect(await example.next('text')).toEqual({ text: '[]' });
      expect(await example.next('binary')).toEqual({ binary: 0 });
    }
    const handledNext = async (payload: string) => {
      const [id] = await store('beats', payload);
      expect(await handled(example, 1)).toEqual([['beats', id, Buffer.from(payload).toString('base64')]]);
    };
    await handledNext('after the heartbeats');
    example.step();
    expect(await example.next('text')).toEqual({ text: '[]' });
    await handledNext('after one more');
    expect(await example.end()).toBe('');
  });

  test.each([1, 100])('unpacks two streams, %i entries at most in a message', async (count) => {
    const sids = [`left${count}`, `right${count}`];
    const expected = new Map<string, unknown[]>();
    for (const sid of sids) {
      const payloads = Array.from({ length: 150 }, (_, index) => `${sid} ${'x'.repeat(index % 7)}${index}`);
      const ids = await store(sid, ...payloads);
      const rows = payloads.map((payload, index) => [
        sid,
        ids[index],
        Buffer.from(payload).toString('base64'),
      ]);
      expected.set(sid, rows);
    }
    const example = runExample('pull', { sid: sids.join('+'), query: `last_entry_id=0&count=${count}` });
    const { text } = await example.next('text');
    expect(JSON.parse(text)).toHaveLength(count);
    const entries = await handled(example, 300);
    for (const sid of sids) expect(entries.filter((entry) => entry[0] === sid)).toEqual(expected.get(sid));
    expect(await example.end()).toBe('');
  });
});

describe('pull without a header', () => {
  const payload = (number: number) => Buffer.from(`frame ${number}`).toString('base64');

  test('pull_without_header.py gets every frame', async () => {
    await store('raw', serialize(0, 'before'));
    const example = runExample('pull_without_header', { sid: 'raw' });
    await example.next('open');
    await store('raw', ...[1, 2, 3].map((number) => serialize(number, `frame ${number}`)));
    for (const number of [1, 2, 3]) {
      if (number > 1) example.step();
      expect(await example.next('data')).toEqual({ data: [number, payload(number)] });
    }
    expect(await example.end()).toBe('');
  });

  test('pull_latest.py drops the frames that it does not get to in time', async () => {
    const frames = 200;
    const frame = Buffer.alloc(256 * 1024);
    const example = runExample('pull_latest', { sid: 'video' });
    await example.next('open');
    const producer = await TestSocket.open(`${gateway.ws}/data/video/push?header=0&ack=1`);
    const push = async (number: number) => {
      producer.send(serialize(number, frame));
      await producer.receive();
    };
    await push(1);
    // It has the first in its hands while all others come.
    const { data } = await example.next('data');
    const seen = [data[0] as number];
    for (let number = 2; number <= frames; number++) await push(number);
    await producer.close();
    while (seen.at(-1)! < frames) {
      example.step();
      seen.push((await example.next('data')).data[0] as number);
    }
    expect(await example.end()).toBe('');
    expect(seen[0]).toBe(1);
    expect(seen).toEqual([...new Set(seen)].sort((a, b) => a - b));
    // What the buffers between the two hold is all that was not dropped.
    expect(seen.length).toBeLessThan(frames / 2);
  });
});

describe('query.py', () => {
  /** Stores at times of their own, in ms before now. */
  async function storeAged(device: string, entries: readonly (readonly [age: number, payload: string])[]) {
    const socket = await TestSocket.open(`${gateway.ws}/data/my-stream/push?device_id=${device}&ack=1`);
    const now = Date.now();
    for (const [age, payload] of entries) {
      const acks = await socket.push([[null, now - age, payload.length]], payload);
      expect(acks).toEqual([expect.stringMatching(/^\d+-0$/)]);
    }
    await socket.close();
  }

  /** Lets the example send its next request. */
  async function request(example: Example): Promise<{ content: string; lastEntryId: string }> {
    example.step();
    const { status, headers, content } = await example.next('status');
    expect(status).toBe(200);
    expect(headers['x-last-entry-id']).toMatch(/^\d+-\d+$/);
    return { content: Buffer.from(content, 'base64').toString(), lastEntryId: headers['x-last-entry-id']! };
  }

  test('while a producer stores an entry every few milliseconds', async () => {
    const query = 'device_id=live';
    await storeAged('live', [
      [10 * MINUTE_MS, 'ten minutes old'],
      [4 * MINUTE_MS, 'four minutes old'],
      [3 * MINUTE_MS, 'three minutes old'],
    ]);
    const ids: string[] = [];
    /** The number of the entry that was stored under `id`. */
    const numberOf = async (id: string) => {
      await expect.poll(() => ids).toContain(id);
      return ids.indexOf(id);
    };
    const duringWrites = async <T>(read: () => Promise<T>): Promise<T> => {
      let isDone = false;
      const writing = (async () => {
        while (!isDone) ids.push(...(await store(`my-stream?${query}`, `entry ${ids.length}`)));
      })();
      try {
        return await read();
      } finally {
        isDone = true;
        await writing;
      }
    };
    const example = runExample('query', { query });

    await duringWrites(async () => {
      await expect.poll(() => ids.length).toBeGreaterThan(2);
      const known = ids.length;
      const fromNow = await request(example);
      const number = await numberOf(fromNow.lastEntryId);
      expect(number).toBeGreaterThanOrEqual(known);
      expect(fromNow.content).toBe(`entry ${number}`);

      const next = await request(example);
      expect(next.content).toBe(`entry ${number + 1}`);
      expect(await numberOf(next.lastEntryId)).toBe(number + 1);
    });

    const newest = { content: `entry ${ids.length - 1}`, lastEntryId: ids.at(-1)! };
    expect(await request(example)).toEqual(newest);
    expect((await request(example)).content).toBe('ten minutes old');
    expect((await request(example)).content).toBe('four minutes old');
    expect(await request(example)).toEqual(newest);

    await duringWrites(async () => {
      const known = ids.length;
      const first = await request(example);
      const number = await numberOf(first.lastEntryId);
      expect(number).toBeGreaterThanOrEqual(known);
      expect(first.content).toBe(`entry ${number}`);
    });
    expect(await example.end()).toBe('');
  });

  test('of a stream to which nothing comes', async () => {
    await storeAged('quiet', [[10 * MINUTE_MS, 'ten minutes old']]);
    const example = runExample('query', { query: 'device_id=quiet' });
    // Python itself has started, so that only the request takes time.
    const nothing = { content: '', lastEntryId: expect.any(String) };
    const timed = async () => {
      const before = performance.now();
      return { ...(await request(example)), ms: performance.now() - before };
    };

    const fromNow = await timed();
    expect(fromNow).toMatchObject(nothing);
    expect(fromNow.ms).toBeGreaterThan(495);
    const next = await timed();
    expect(next).toMatchObject(nothing);
    expect(next.lastEntryId).toBe(fromNow.lastEntryId);
    expect(next.ms).toBeGreaterThan(495);
    expect((await request(example)).content).toBe('ten minutes old');
    expect((await request(example)).content).toBe('ten minutes old');
    expect(await request(example)).toMatchObject(nothing);
    expect(await request(example)).toMatchObject(nothing);
    const blocked = await timed();
    expect(blocked).toMatchObject(nothing);
    expect(blocked.ms).toBeGreaterThan(MAX_BLOCK_MS - 5);
    expect(await example.next('printed')).toEqual({ printed: 'No new data' });
    expect(await example.end()).toBe('');
  });
});

test('post.py', async () => {
  const example = runExample('post');
  example.step();
  const { status, content } = await example.next('status');
  expect(status).toBe(200);
  const [id, ...rest] = JSON.parse(Buffer.from(content, 'base64').toString()) as string[];
  expect(rest).toEqual([]);
  expect(await example.end()).toBe('');
  const [entry] = await redis.client.xrangeBuffer('default:my-stream', id!, id!);
  expect(entry?.[1]).toEqual([Buffer.from('d'), Buffer.from('what is to be posted \x00\xff', 'latin1')]);
});
