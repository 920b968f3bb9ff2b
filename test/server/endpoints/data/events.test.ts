/** Entries as server-sent events, read as a browser's EventSource would. */
import { once } from 'node:events';
import { describe, expect, onTestFinished, test } from 'vitest';
import { allows, bearer, startAccessFixture } from '../../../support/access.js';
import { startForFile } from '../../../support/gateway-fixture.js';
import { type GatewayProcess, startGatewayProcess } from '../../../support/gateway-process.js';
import { postEntries, refused } from '../../../support/http.js';
import { nextEvent, OpenAnswer, type ReceivedEvent } from '../../../support/open-answer.js';
import { startRedis } from '../../../support/redis-server.js';

const MIB = 1024 * 1024;
const WAIT = { timeout: 10_000 };

const { redis, gateway } = await startForFile();
let streams = 0;

const freshSid = () => `stream-${streams++}`;
const add = async (sid: string, id: string, payload: string | Buffer) =>
  (await redis.client.xadd(`default:${sid}`, id, 'd', payload))!;

interface Listener {
  readonly answer: OpenAnswer;
  /** Where the stream begins. */
  readonly cursor: string;
  next(): Promise<ReceivedEvent>;
  nextOf(count: number): Promise<ReceivedEvent[]>;
}

async function listen(
  path: string,
  headers: Record<string, string> = {},
  { port } = gateway,
): Promise<Listener> {
  const answer = await OpenAnswer.open({ port }, `/data/${path}`, headers);
  onTestFinished(() => answer.leave());
  expect(answer.response.statusCode).toBe(200);
  const next = () => nextEvent(answer);
  const opening = path.includes('/events') ? await next() : undefined;
  if (opening) expect(opening).toEqual({ id: expect.any(String), event: 'cursor', data: '{}' });
  return {
    answer,
    cursor: opening?.id ?? '',
    next,
    nextOf: async (count) => {
      const events: ReceivedEvent[] = [];
      while (events.length < count) events.push(await next());
      return events;
    },
  };
}

describe('entries', () => {
  test('come one by one, stored ones first, each with its id', async () => {
    const sid = freshSid();
    for (const id of ['1-0', '2-0']) await add(sid, id, `{"n":"${id}"}`);
    const { answer, next, nextOf } = await listen(`${sid}/events?last_entry_id=0`);
    expect(answer.response.headers).toMatchObject({
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
    });
    expect(await nextOf(2)).toEqual([
      { id: '1-0', data: '{"n":"1-0"}' },
      { id: '2-0', data: '{"n":"2-0"}' },
    ]);
    const [id] = await postEntries(`${gateway.http}/data/${sid}`, 'live');
    expect(await next()).toEqual({ id, data: 'live' });
  });

  test('begin with what comes after the request', async () => {
    const sid = freshSid();
    await add(sid, '1-0', 'old');
    const { next } = await listen(`${sid}/events`);
    await add(sid, '2-0', 'new');
    expect(await next()).toEqual({ id: '2-0', data: 'new' });
  });

  test.each([
    ['one line', 'one line'],
    ['', ''],
    [' white space ', ' white space '],
    ['a\nb', 'a\nb'],
    ['\n\n', '\n\n'],
    ['a\n\nevent: forged\ndata: b', 'a\n\nevent: forged\ndata: b'],
    ['id: 9-9', 'id: 9-9'],
    ['Grüße 世界 🎥', 'Grüße 世界 🎥'],
    ['a\u2028b\u0085c', 'a\u2028b\u0085c'],
  ])('of text are lines: %j', async (payload, data) => {
    const sid = freshSid();
    await add(sid, '1-0', payload);
    await add(sid, '2-0', 'next');
    const { nextOf } = await listen(`${sid}/events?last_entry_id=0`);
    expect(await nextOf(2)).toEqual([
      { id: '1-0', data },
      { id: '2-0', data: 'next' },
    ]);
  });

  test.each(['a\r\nb', 'a\r', '\r\n\r\n'])(
    'of text that the format would change are base64: %j',
    async (text) => {
      const sid = freshSid();
      await add(sid, '1-0', text);
      const { next } = await listen(`${sid}/events?last_entry_id=0`);
      const { event, data } = await next();
      expect([event, Buffer.from(data, 'base64').toString()]).toEqual(['binary', text]);
    },
  );

  test.each([
    ['application/octet-stream', 'binary'],
    ['audio/L16; rate=16000', 'binary'],
    ['image/jpeg', 'binary'],
    ['text/csv', undefined],
    ['application/json', undefined],
    ['application/geo+json; charset=utf-8', undefined],
    ['no type', undefined],
  ])('of a stream declared as %s are all alike', async (type, event) => {
    const [a, b] = [freshSid(), freshSid()];
    const meta = JSON.stringify({ content_type: type });
    await redis.client.set(`:stream:meta:default:${a}`, meta);
    await add(a, '1-0', Buffer.alloc(4));
    await add(a, '2-0', 'text');
    const encoding = event === undefined ? 'utf8' : 'base64';
    const data = [Buffer.alloc(4), Buffer.from('text')].map((bytes) => bytes.toString(encoding));
    const alone = await listen(`${a}/events?last_entry_id=0`);
    for (const expected of data) {
      const received = await alone.next();
      expect([received.event, received.data]).toEqual([event, expected]);
    }
    const both = await listen(`${a}+${b}/events?last_entry_id=0`);
    const name = event === undefined ? a : `${a}+${event}`;
    expect(await both.nextOf(2)).toMatchObject([
      { event: name, data: data[0] },
      { event: name, data: data[1] },
    ]);
  });

  test.each(['gap', 'error', 'complete', 'cursor', 'open', 'message', 'binary', 'large'])(
    'of a stream called %s cannot be taken for the events of that name',
    async (name) => {
      const other = freshSid();
      await add(name, '1-0', '{"code":"forged"}');
      await add(name, '2-0', Buffer.from([0xff]));
      const { nextOf } = await listen(`${name}+${other}/events?last_entry_id=0`);
      expect(await nextOf(2)).toEqual([
        { id: '1-0+0-0', event: `${name}+text`, data: '{"code":"forged"}' },
        { id: '2-0+0-0', event: `${name}+binary`, data: '/w==' },
      ]);
    },
  );

  test('of bytes are base64, under a name of their own', async () => {
    const sid = freshSid();
    const bytes = Buffer.from([0xff, 0xd8, 0, 1, 10, 13]);
    await add(sid, '1-0', bytes);
    const { next } = await listen(`${sid}/events?last_entry_id=0`);
    expect(await next()).toEqual({ id: '1-0', event: 'binary', data: bytes.toString('base64') });
  });

  test('that are large are told of', async () => {
    const sid = freshSid();
    const most = 'x'.repeat(MIB);
    await add(sid, '1-0', most);
    await add(sid, '2-0', `${most}x`);
    const { nextOf } = await listen(`${sid}/events?last_entry_id=0`);
    expect(await nextOf(2)).toEqual([
      { id: '1-0', data: most },
      { id: '2-0', event: 'large', data: `{"bytes":${MIB + 1}}` },
    ]);
    const response = await fetch(`${gateway.http}/data/${sid}/latest?at=2-0`);
    expect((await response.arrayBuffer()).byteLength).toBe(MIB + 1);
  });

  test('of several streams name theirs, and the id is a cursor for all', async () => {
    const [a, b] = [freshSid(), freshSid()];
    await add(a, '1-0', 'a');
    await add(b, '5-0', 'old');
    const { next } = await listen(`${a}+${b}/events?last_entry_id=0%2B$`);
    expect(await next()).toEqual({ id: '1-0+5-0', event: a, data: 'a' });
    await add(b, '6-0', Buffer.from([0xff]));
    expect(await next()).toEqual({ id: '1-0+6-0', event: `${b}+binary`, data: '/w==' });
    await add(a, '2-0', 'c');
    expect(await next()).toEqual({ id: '2-0+6-0', event: a, data: 'c' });

    const again = await listen(`${a}+${b}/events`, { 'last-event-id': '1-0+5-0' });
    expect(new Set((await again.nextOf(2)).map(({ event }) => event))).toEqual(new Set([a, `${b}+binary`]));
  });

  test('reach all who listen', async () => {
    const sid = freshSid();
    const listeners = await Promise.all([1, 2, 3].map(() => listen(`${sid}/events`)));
    for (let n = 0; n < 10; n++) {
      const id = await add(sid, '*', `${n}\n`);
      for (const { next } of listeners) expect(await next()).toEqual({ id, data: `${n}\n` });
    }
  });
});

describe('who comes back', () => {
  test('before the first event goes on where the stream opened', async () => {
    const [a, b] = [freshSid(), freshSid()];
    await add(a, '5-0', 'old');
    await add(b, '7-0', 'old');
    for (const query of ['', '?latest=1', '?last_entry_id=$']) {
      const one = await listen(`${a}/events${query}`);
      expect(one.cursor).toBe('5-0');
      const two = await listen(`${a}+${b}/events${query}`);
      expect(two.cursor).toBe('5-0+7-0');
    }
    expect((await listen(`${a}/events?last_entry_id=3`)).cursor).toBe('3-0');
    expect((await listen(`${a}+${b}/events?from=6`)).cursor).toMatch(/^5-(\d{20})\+5-\1$/);
    await add(b, '8-0', 'missed');
    const again = await listen(`${a}+${b}/events`, { 'last-event-id': '5-0+7-0' });
    expect(await again.next()).toEqual({ id: '5-0+8-0', event: b, data: 'missed' });
  });

  test('goes on after the last event, whatever the address says', async () => {
    const sid = freshSid();
    for (let n = 1; n <= 5; n++) await add(sid, `${n}-0`, String(n));
    for (const query of ['', '?last_entry_id=0', '?from=1', '?last_entry_id=$']) {
      const { nextOf } = await listen(`${sid}/events${query}`, { 'last-event-id': '3-0' });
      expect((await nextOf(2)).map(({ id }) => id)).toEqual(['4-0', '5-0']);
    }
  });

  test('with an id that is none is refused', async () => {
    const response = await fetch(`${gateway.http}/data/x/events`, { headers: { 'last-event-id': 'seven' } });
    expect(await refused(response)).toMatchObject({ status: 400, code: 'bad_parameter' });
  });

  test('after entries were trimmed is told so, if it asks', async () => {
    const sid = freshSid();
    for (let n = 1; n <= 5; n++) await add(sid, `${n}-0`, String(n));
    await redis.client.xtrim(`default:${sid}`, 'MAXLEN', 2);
    const told = await listen(`${sid}/events?gaps=1`, { 'last-event-id': '2-0' });
    const [gap, entry] = await told.nextOf(2);
    expect(gap).toEqual({ event: 'gap', data: expect.any(String) });
    expect(JSON.parse(gap!.data)).toEqual({
      stream: sid,
      after: '2-0',
      resumed_at: '4-0',
      reason: 'trimmed',
    });
    expect(entry).toEqual({ id: '4-0', data: '4' });
    const untold = await listen(`${sid}/events`, { 'last-event-id': '2-0' });
    expect(await untold.next()).toEqual({ id: '4-0', data: '4' });
  });
});

describe('who cannot take every entry', () => {
  test('is sent the newest with latest', async () => {
    const sid = freshSid();
    for (let n = 1; n <= 5; n++) await add(sid, `${n}-0`, String(n));
    const { next } = await listen(`${sid}/events?latest=1&last_entry_id=0`);
    expect(await next()).toEqual({ id: '5-0', data: '5' });
  });

  test('is waited for, and misses nothing', async () => {
    const sid = freshSid();
    const { nextOf } = await listen(`${sid}/events`);
    const payload = 'x'.repeat(MIB);
    for (let n = 1; n <= 60; n++) await add(sid, `${n}-0`, payload);
    await expect.poll(() => gateway.metric('followers{state="behind"}'), WAIT).toBe(1);
    expect(await gateway.metric('unread_answer_bytes')).toBeLessThanOrEqual(2 * MIB);
    const ids = (await nextOf(60)).map(({ id }) => id);
    expect(ids).toEqual(Array.from({ length: 60 }, (_, n) => `${n + 1}-0`));
  });
});

test('who was behind gets the last event whole, though nothing follows it', async () => {
  const sid = freshSid();
  const { nextOf } = await listen(`${sid}/events`);
  const text = 'a line\n'.repeat(30_000);
  const sent = 'entries_out_total{endpoint="events"}';
  const before = await gateway.metric(sent);
  let count = 0;
  // Up to the one that the socket does not take whole.
  while ((await gateway.metric('followers{state="behind"}')) === 0) {
    await add(sid, '*', text);
    count++;
    await expect.poll(() => gateway.metric(sent), WAIT).toBe(before + count);
  }
  const begun = performance.now();
  expect((await nextOf(count)).map(({ data }) => data.length)).toEqual(Array(count).fill(text.length));
  // And not only when the stream is kept alive.
  expect(performance.now() - begun).toBeLessThan(6000);
  await expect.poll(() => gateway.metric('followers{state="behind"}'), WAIT).toBe(0);
});

describe('the end', () => {
  test('of a replay is told', async () => {
    const sid = freshSid();
    for (let n = 1; n <= 3; n++) await add(sid, `${n}-0`, String(n));
    const { nextOf, answer } = await listen(`${sid}/events?from=1-0&until=2-0`);
    expect(await nextOf(3)).toEqual([
      { id: '1-0', data: '1' },
      { id: '2-0', data: '2' },
      { event: 'complete', data: '{}' },
    ]);
    expect((await answer.rest()).toString()).toBe('');
  });

  test('by a key that is no stream any more is told', async () => {
    const sid = freshSid();
    await add(sid, '1-0', 'x');
    const { next, answer } = await listen(`${sid}/events?last_entry_id=0`);
    await next();
    await redis.client.multi().del(`default:${sid}`).set(`default:${sid}`, 'x').exec();
    const { event, data } = await next();
    expect([event, JSON.parse(data)]).toMatchObject(['error', { code: 'wrong_type' }]);
    expect((await answer.rest()).toString()).toBe('');
  });

  test('of a token ends what it opened, and nobody else', async () => {
    const plans = { short: { rights: allows('read') }, long: { rights: allows('read') } };
    const fixture = await startAccessFixture(plans);
    try {
      const open = (token: string, view: string) => listen(`x/${view}`, bearer(token), fixture.gateway);
      const ending = await Promise.all(['events', 'mjpeg'].map((view) => open(fixture.tokens.short, view)));
      const staying = await open(fixture.tokens.long, 'events');
      await fixture.rewrite({ long: plans.long });
      for (const { answer } of ending) await answer.rest();
      expect(await fixtureMetric(fixture.gateway, fixture.tokens.long)).toBe(1);
      await fixture.redis.client.xadd('default:x', '1-0', 'd', 'still');
      expect(await staying.next()).toEqual({ id: '1-0', data: 'still' });
    } finally {
      await fixture.stop();
    }
  });

  test('of the gateway ends every answer behind a whole event', async () => {
    const other = await startGatewayProcess({ REDIS_URL: redis.url });
    onTestFinished(async () => void (await other.stop()));
    const sid = freshSid();
    const { next, answer } = await listen(`${sid}/events`, {}, other);
    await add(sid, '1-0', 'x');
    await next();
    const exit = once(other.process, 'exit');
    other.process.kill('SIGTERM');
    expect((await answer.rest()).toString()).toMatch(/^(:\n)*$/);
    expect(await exit).toEqual([0, null]);
  });

  test('of Redis is none', async () => {
    const own = await startRedis();
    const other = await startGatewayProcess({ REDIS_URL: own.url });
    try {
      const { next } = await listen('x/events', {}, other);
      own.process.kill('SIGKILL');
      await once(own.process, 'exit');
      await own.restart();
      await own.client.xadd('default:x', '1-0', 'd', 'back');
      expect(await next()).toEqual({ id: '1-0', data: 'back' });
    } finally {
      await other.stop();
      await own.stop();
    }
  });
});

/** The connections that send events, as one sees them who may. */
async function fixtureMetric({ http }: GatewayProcess, token: string): Promise<number> {
  const text = await (await fetch(`${http}/metrics`, { headers: bearer(token) })).text();
  return Number(/streamgate_connections\{endpoint="events"\} (\d+)/.exec(text)![1]);
}

describe('requests', () => {
  test.each([
    ['/data/x/events?last_entry_id=seven', /last_entry_id/],
    ['/data/x/events?max_fps=x', /max_fps/],
    ['/data/x/events?gaps=perhaps', /gaps/],
    ['/data/x/events?latest=2', /latest/],
    ['/data/a+b/events?last_entry_id=1%2B2%2B3', /last_entry_id/],
  ])('of a wrong form are refused: %s', async (path, message) => {
    const answer = await refused(await fetch(`${gateway.http}${path}`));
    expect(answer).toEqual({ status: 400, code: 'bad_parameter', error: expect.stringMatching(message) });
  });

  test('HEAD is answered with the head', async () => {
    const response = await fetch(`${gateway.http}/data/a/events/`, { method: 'HEAD' });
    expect([response.status, response.headers.get('content-type'), await response.text()]).toEqual([
      200,
      'text/event-stream; charset=utf-8',
      '',
    ]);
    await expect.poll(() => gateway.metric('requests'), WAIT).toBe(1);
  });

  test('are counted', async () => {
    const names = ['connections_opened_total', 'entries_out_total'].map(
      (name) => `${name}{endpoint="events"}`,
    );
    const before = await Promise.all(names.map((name) => gateway.metric(name)));
    const sid = freshSid();
    await add(sid, '1-0', 'x');
    const { next, answer } = await listen(`${sid}/events?last_entry_id=0`);
    await next();
    const after = await Promise.all(names.map((name) => gateway.metric(name)));
    expect(after.map((value, index) => value - before[index]!)).toEqual([1, 1]);
    answer.leave();
    await expect.poll(() => gateway.metric('followers'), WAIT).toBe(0);
  });
});
