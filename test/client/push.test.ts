/** The client's producer against a gateway as users run it. */
import { beforeAll, describe, expect, test, vi } from 'vitest';
import { WebSocket } from 'ws';
import { Streamgate } from '../../src/client/node.js';
import { startForFile } from '../support/gateway-fixture.js';

const { redis, gateway } = await startForFile({ MAX_PAYLOAD_BYTES: '2000000' });
let gate: Streamgate;

beforeAll(async () => {
  gate = new Streamgate(gateway.http);
});

async function stored(key: string): Promise<string[]> {
  return (await redis.client.xrange(`default:${key}`, '-', '+')).map(([, fields]) => fields[1]!);
}

describe('a producer', () => {
  test('stores entries in order and tells each its id', async () => {
    const producer = gate.push('ordered');
    const texts = Array.from({ length: 900 }, (_, index) => `${index}`);
    const ids = await Promise.all(texts.map((text) => producer.send(text)));
    await producer.close();
    expect(await stored('ordered')).toEqual(texts);
    expect(ids).toEqual((await redis.client.xrange('default:ordered', '-', '+')).map(([id]) => id));
  });

  test('sends what one turn brings as one message', async () => {
    const before = await gateway.metric('entries_in_total{endpoint="push"}');
    const sent = vi.spyOn(WebSocket.prototype, 'send');
    try {
      const producer = gate.push('batched');
      await producer.send('first');
      const count = sent.mock.calls.length;
      await Promise.all(['a', 'b', 'c', 'd'].map((text) => producer.send(text)));
      expect(sent.mock.calls.length - count).toBe(1);
      await producer.close();
    } finally {
      sent.mockRestore();
    }
    expect((await gateway.metric('entries_in_total{endpoint="push"}')) - before).toBe(5);
  });

  test('names streams and times of its entries', async () => {
    const producer = gate.push('*');
    const time = Date.now() - 5000;
    const ids = await Promise.all([
      producer.send('left', { stream: 'left', time: `${time}-7` }),
      producer.send('right', { stream: 'right', time: new Date(time) }),
    ]);
    await expect(producer.send('nowhere')).rejects.toThrow('must name its stream');
    await producer.close();
    expect(ids).toEqual([`${time}-7`, `${time}-0`]);
    expect([await stored('left'), await stored('right')]).toEqual([['left'], ['right']]);
  });

  test('a refused entry fails alone', async () => {
    const producer = gate.push('refused');
    const outcomes = await Promise.allSettled([
      producer.send('a', { time: '5-0' }),
      producer.send('b', { time: '4-0' }),
      producer.send('c', { time: '6-0' }),
    ]);
    expect(outcomes).toMatchObject([
      { value: '5-0' },
      { reason: { code: 'id_not_increasing', mayPass: false } },
      { value: '6-0' },
    ]);
    await producer.close();
  });

  test('an entry that is too large fails alone, though the gateway closes the connection', async () => {
    const producer = gate.push('large');
    expect(await producer.send('before')).toMatch(/^\d+-\d+$/);
    const outcomes = await Promise.allSettled([
      producer.send(new Uint8Array(2_100_000)),
      producer.send('after'),
    ]);
    expect(outcomes).toMatchObject([{ reason: { code: 'payload_too_large' } }, { status: 'fulfilled' }]);
    await producer.close();
    expect(await stored('large')).toEqual(['before', 'after']);
  });

  test('ready waits while too much is unanswered', async () => {
    const producer = gate.push('full', { maxInFlightBytes: 100_000 });
    await producer.ready;
    const sent = producer.send(new Uint8Array(150_000));
    let isReady = false;
    const ready = producer.ready.then(() => {
      isReady = true;
    });
    await Promise.resolve();
    expect(isReady).toBe(false);
    await sent;
    await ready;
    await producer.close();
  });

  test('a refusal is told to each send, with the code that browsers are not told', async () => {
    const producer = gate.push(':event:x');
    const outcomes = await Promise.allSettled([producer.send('a'), producer.send('b')]);
    expect(outcomes).toMatchObject([
      { reason: { code: 'reserved_name' } },
      { reason: { code: 'reserved_name' } },
    ]);
    await expect(producer.send('c')).rejects.toMatchObject({ code: 'reserved_name' });
    await expect(producer.close()).rejects.toMatchObject({ code: 'reserved_name' });
  });

  test('a signal ends it: what is not sent fails with its reason', async () => {
    const stop = new AbortController();
    const producer = new Streamgate('http://127.0.0.1:1').push('cam', { signal: stop.signal });
    const sent = producer.send('a');
    stop.abort(new Error('enough'));
    await expect(sent).rejects.toThrow('enough');
    await expect(producer.close()).rejects.toThrow('enough');
  });

  test('flush waits for all that was sent', async () => {
    const producer = gate.push('flushed');
    let acks = 0;
    for (let index = 0; index < 50; index++) void producer.send(`${index}`).then(() => acks++);
    await producer.flush();
    await Promise.resolve();
    expect(acks).toBe(50);
    await producer.close();
  });
});

describe('by HTTP', () => {
  test('an entry is appended, read as the newest, and read on from', async () => {
    expect(await gate.latest('rest')).toBeUndefined();
    const first = await gate.append('rest', new Uint8Array([0, 255, 1]));
    const second = await gate.append('rest', 'zwei €');
    expect(await gate.latest('rest')).toMatchObject({
      stream: 'rest',
      id: second,
      data: new TextEncoder().encode('zwei €'),
    });
    const { entries, cursor } = await gate.read('rest', { lastEntryId: '0' });
    expect(entries).toMatchObject([{ id: first, data: new Uint8Array([0, 255, 1]) }]);
    expect(cursor).toBe(first);
    expect((await gate.read('rest', { lastEntryId: cursor, count: 9 })).entries).toMatchObject([
      { id: second },
    ]);
    expect((await gate.read('rest', { lastEntryId: second, block: -1 })).entries).toEqual([]);
  });

  test('an empty entry is one', async () => {
    await gate.append('empty', '');
    expect((await gate.latest('empty'))?.data).toEqual(new Uint8Array());
  });

  test('device and prefix hold for all of it', async () => {
    const other = new Streamgate(gateway.http, { device: 'dev', prefix: 'pre:' });
    await other.append('s', 'x');
    const producer = other.push('s');
    await producer.send('y');
    await producer.close();
    expect(await redis.client.xlen('dev:pre:s')).toBe(2);
    expect((await other.latest('s'))?.stream).toBe('s');
  });

  test('a failure has its code, and says whether it may pass', async () => {
    await expect(gate.append(':event:x', 'x')).rejects.toMatchObject({
      code: 'reserved_name',
      status: 403,
      mayPass: false,
    });
    await expect(new Streamgate('http://127.0.0.1:1').latest('cam')).rejects.toMatchObject({
      code: 'unreachable',
      mayPass: true,
    });
    expect(() => new Streamgate('localhost:8000')).toThrow("the gateway's address must be");
    const stopped = AbortSignal.abort(new Error('enough'));
    await expect(gate.read('rest', { signal: stopped })).rejects.toThrow('enough');
  });
});

describe('by GraphQL', () => {
  test('streams, devices and metadata', async () => {
    await gate.append('described', 'x');
    await gate.connectDevice('cam1', { place: 'door' });
    expect(await gate.devices()).toEqual([{ id: 'cam1', meta: { place: 'door' } }]);
    await gate.disconnectDevice('cam1');
    expect(await gate.devices()).toEqual([]);
    expect(await gate.devices({ all: true })).toContainEqual({ id: 'cam1', meta: { place: 'door' } });
    await gate.updateStreamMeta('described', { a: 1 });
    await gate.updateStreamMeta('default:described', { b: 2 }, { merge: true });
    expect(await gate.streamMeta('described')).toEqual({ a: 1, b: 2 });
    await gate.updateStreamMeta('described', { c: 3 });
    expect(await gate.streamMeta('described')).toEqual({ c: 3 });
    expect(await gate.streams('default:descr*')).toMatchObject([
      { id: 'default:described', length: 1, entriesAdded: 1 },
    ]);
  });

  test('an error is thrown with its code', async () => {
    await expect(gate.graphql('{ streams { nothing } }')).rejects.toBeInstanceOf(Error);
    await expect(gate.graphql('mutation { flush }')).rejects.toMatchObject({ code: 'not_allowed' });
    expect(
      await gate.graphql('query ($id: String!) { stream(id: $id) { length } }', { id: 'described' }),
    ).toEqual({
      stream: { length: 1 },
    });
  });
});
