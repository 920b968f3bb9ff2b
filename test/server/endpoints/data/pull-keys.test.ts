/** `/data/{sid}/pull`: which keys are followed, what they are called, and what is refused. */
import { expect, test } from 'vitest';
import { startForFile } from '../../../support/gateway-fixture.js';
import { startGatewayProcess } from '../../../support/gateway-process.js';
import { TestSocket } from '../../../support/socket.js';

const { redis, gateway } = await startForFile({ READER_THREADS: '1' });
let streams = 0;

const freshSid = () => `stream-${streams++}`;

const pull = (sids: string, query = '') => TestSocket.open(`${gateway.ws}/data/${sids}/pull?${query}`);

const add = async (key: string, text: string) => (await redis.client.xadd(key, '*', 'd', text))!;

/** The next message of one entry: `[sid, id, payload]`. */
async function receiveEntry(socket: TestSocket): Promise<[sid: string, id: string, payload: string]> {
  let rows: [string, string, number][];
  let payload: string | Buffer;
  do {
    rows = await socket.receiveJson();
    payload = await socket.receive();
  } while (rows.length === 0);
  expect(rows).toEqual([[expect.any(String), expect.any(String), 0]]);
  return [rows[0]![0], rows[0]![1], payload.toString()];
}

test('device_id, prefix and keep_device_id_in_stream_id', async () => {
  const sid = freshSid();
  for (const [key, query, name] of [
    [`default:${sid}`, '', sid],
    [`default:${sid}`, 'keep_device_id_in_stream_id=1', `default:${sid}`],
    [`cam-1:${sid}`, 'device_id=cam-1', sid],
    [`cam-1:${sid}`, 'device_id=cam-1&keep_device_id_in_stream_id=true', `cam-1:${sid}`],
    [`default:left.${sid}`, 'prefix=left.', sid],
    [`cam é:a:${sid}`, 'device_id=cam%20%C3%A9&prefix=a:', sid],
    [`cam é:a:${sid}`, 'device_id=cam+é&prefix=a%3A&keep_device_id_in_stream_id=yes', `cam é:a:${sid}`],
    [`default:a:${sid}`, 'device_id=default&prefix=a:', sid],
  ] as const) {
    const socket = await pull(sid, query);
    const text = `${key} for ${query}`;
    const id = await add(key, text);
    expect(await receiveEntry(socket)).toEqual([name, id, text]);
    await socket.close();
  }
});

test('stream ids with anything that a path can hold', async () => {
  for (const name of [
    'with space',
    'slash/in:it',
    'é漢😀',
    '100%',
    '{tag}',
    '*',
    '?a=b&c',
    '"quoted\\"',
    '..',
  ]) {
    const sid = `${freshSid()} ${name}`;
    const socket = await pull(encodeURIComponent(sid));
    const id = await add(`default:${sid}`, sid);
    expect(await receiveEntry(socket)).toEqual([sid, id, sid]);
    await socket.close();
  }
});

test('system streams are followed by their own name', async () => {
  for (const query of ['', 'device_id=cam&prefix=p&', 'keep_device_id_in_stream_id=1&']) {
    const socket = await pull(':event:device.connected+%3Aevent%3Adevice.meta', query);
    for (const key of [':event:device.connected', ':event:device.meta']) {
      const id = await add(key, `{"device_id":"${key}"}`);
      expect(await receiveEntry(socket)).toEqual([key, id, `{"device_id":"${key}"}`]);
    }
    await socket.close();
  }
});

test('entries of other writers come as a JSON object of their fields, whether read late or live', async () => {
  const sid = freshSid();
  const key = `default:${sid}`;
  const store = async () => [
    await redis.client.xadd(key, '*', 'temp', '21.5', 'name', 'é "x"', 'raw', Buffer.of(0xff, 0, 1)),
    await redis.client.xadd(key, '*', 'a', '1', 'd', 'payload', 'z', '2'),
    await redis.client.xadd(key, '*', '__proto__', 'p', '', 'empty'),
  ];
  const live = await pull(sid);
  const ids = await store();
  const late = await pull(sid, 'last_entry_id=0');
  for (const socket of [live, late]) {
    const entries = [];
    for (let index = 0; index < ids.length; index++) entries.push(await receiveEntry(socket));
    expect(entries.map(([, id]) => id)).toEqual(ids);
    expect(JSON.parse(entries[0]![2])).toEqual({ temp: '21.5', name: 'é "x"', raw: { base64: '/wAB' } });
    expect(entries[1]![2]).toBe('payload');
    expect(entries[2]![2]).toBe('{"__proto__":"p","":"empty"}');
    await socket.close();
  }
});

test('a key of another type is refused with 409 before the upgrade', async () => {
  const [text, hash, stream] = [freshSid(), freshSid(), freshSid()];
  await redis.client.set(`default:${text}`, 'text');
  await redis.client.hset(`default:${hash}`, 'a', '1');
  for (const sids of [text, hash, `${stream}+${text}`]) {
    for (const query of ['', 'last_entry_id=0', 'latest=1&header=msgpack']) {
      await expect(pull(sids, query)).rejects.toThrow(/^409 .*"code":"wrong_type"/);
    }
  }
});

test('a key that becomes another type ends its followers only, at once', async () => {
  const [good, bad, both] = [freshSid(), freshSid(), freshSid()];
  const [follower, victim, mixed, idle] = await Promise.all([
    pull(good),
    pull(bad),
    pull(`${both}+${bad}`),
    pull(both, 'block=0'),
  ]);
  await add(`default:${bad}`, 'before');
  expect((await receiveEntry(victim))[2]).toBe('before');
  expect((await receiveEntry(mixed))[2]).toBe('before');
  await redis.client.del(`default:${bad}`);
  const begun = performance.now();
  await redis.client.set(`default:${bad}`, 'not a stream any more');
  for (const socket of [victim, mixed]) {
    const { code, reason } = await socket.closed;
    expect([code, reason]).toEqual([4409, 'the key exists and is not a stream']);
  }
  expect(performance.now() - begun).toBeLessThan(1000);
  const first = await add(`default:${good}`, 'first');
  expect(await receiveEntry(follower)).toEqual([good, first, 'first']);
  const second = await add(`default:${both}`, 'second');
  expect(await receiveEntry(idle)).toEqual([both, second, 'second']);
  await Promise.all([follower.close(), idle.close()]);
});

test('SET over a busy key ends its followers while its neighbours go on', async () => {
  const [good, bad] = [freshSid(), freshSid()];
  const victims = await Promise.all([pull(bad), pull(bad, 'header=0'), pull(bad, 'header=msgpack&latest=1')]);
  const follower = await pull(good);
  const ids: string[] = [];
  let isDone = false;
  const writing = (async () => {
    while (!isDone) ids.push(await add(`default:${good}`, `entry ${ids.length}`));
  })();
  for (let index = 0; index < 20; index++) await add(`default:${bad}`, `entry ${index}`);
  const begun = performance.now();
  await redis.client.set(`default:${bad}`, 'text');
  for (const { closed } of victims) expect((await closed).code).toBe(4409);
  expect(performance.now() - begun).toBeLessThan(1000);
  isDone = true;
  await writing;
  for (const id of ids) expect((await receiveEntry(follower))[1]).toBe(id);
  // The name can be used again, once it is a stream.
  await redis.client.del(`default:${bad}`);
  const again = await pull(bad);
  const id = await add(`default:${bad}`, 'again');
  expect(await receiveEntry(again)).toEqual([bad, id, 'again']);
  await Promise.all([follower.close(), again.close()]);
});

test('a stream that is deleted and made anew is followed on', async () => {
  const sid = freshSid();
  const socket = await pull(sid);
  // Ids of our own: within the same millisecond Redis would give the new entry the old one's.
  await redis.client.xadd(`default:${sid}`, '1-1', 'd', 'old');
  expect((await receiveEntry(socket))[2]).toBe('old');
  await redis.client.del(`default:${sid}`);
  await redis.client.xadd(`default:${sid}`, '1-2', 'd', 'new');
  expect(await receiveEntry(socket)).toEqual([sid, '1-2', 'new']);
  await socket.close();
});

test.each([
  ['last_entry_id', 'abc'],
  ['last_entry_id', ''],
  ['last_entry_id', '1-2-3'],
  ['last_entry_id', '-1'],
  ['last_entry_id', '18446744073709551616'],
  ['last_entry_id', '0+0'],
  ['latest', 'maybe'],
  ['count', '0'],
  ['count', '-1'],
  ['count', 'many'],
  ['count', '1.5'],
  ['count', ''],
  ['block', '-2'],
  ['block', 'x'],
  ['block', '1e3'],
  ['header', '2'],
  ['header', 'xml'],
  ['offsets', 'middle'],
  ['ack', '2'],
  ['max_fps', '-1'],
  ['max_fps', 'fast'],
  ['keep_device_id_in_stream_id', 'perhaps'],
  ['device_id', 'a:b'],
  ['device_id', ''],
  ['device_id', 'a%2Bb'],
  ['device_id', 'a%00b'],
  ['prefix', 'a%0Ab'],
  ['count', '1&count=2'],
  ['count', '%ff'],
])('%s=%s is refused with 400 that names it, before the upgrade', async (name, value) => {
  const refusal = await pull('x', `${name}=${value}`).then(
    () => 'it was opened',
    (error: Error) => error.message,
  );
  const [, status, body] = /^(\d+) (.*)$/.exec(refusal)!;
  expect(status).toBe('400');
  const { code, error } = JSON.parse(body!);
  expect(code).toMatch(/^bad_(parameter|name)$/);
  expect(error).toMatch(new RegExp(name === 'device_id' ? 'device id' : name));
});

test.each(['a+a', 'a++b', '%ff', 'x'.repeat(513), 'a%2Bb'])('the stream id %s is refused', async (sids) => {
  await expect(pull(sids)).rejects.toThrow(/^400 .*stream id/);
});

test('a prefix that makes a system stream of another is refused', async () => {
  const plain = await startGatewayProcess({ REDIS_URL: redis.url, DISABLE_MULTI_DEVICE_PREFIXING: '1' });
  try {
    const sid = freshSid();
    const open = (query: string) => TestSocket.open(`${plain.ws}/data/${sid}/pull?${query}`);
    await expect(open('prefix=:event:')).rejects.toThrow(/^403 .*"code":"reserved_name"/);
    for (const [query, name] of [
      ['prefix=p.', sid],
      ['prefix=p.&keep_device_id_in_stream_id=1', `p.${sid}`],
    ] as const) {
      const socket = await open(query);
      const id = await add(`p.${sid}`, 'no device in the key');
      expect(await receiveEntry(socket)).toEqual([name, id, 'no device in the key']);
      await socket.close();
    }
  } finally {
    await plain.stop();
  }
});

test('unknown parameters are ignored, and without an upgrade the address says what it is', async () => {
  await (await pull('x', 'tomorrow=1&Count=x')).close();
  const answer = await fetch(`${gateway.http}/data/x/pull`);
  expect([answer.status, answer.headers.get('upgrade')]).toEqual([426, 'websocket']);
});
