/** `/data/{sid}/pull` with `speed`, `from` and `until`: entries come as they were written. */
import { describe, expect, test } from 'vitest';
import { compareEntryIds, entryTime } from '../../../../src/protocol/entry-id.js';
import { startForFile } from '../../../support/gateway-fixture.js';
import { stampedFrame } from '../../../support/stamped-frames.js';
import { type Framing, StreamFollower } from '../../../support/stream-follower.js';
import { StreamWriter } from '../../../support/stream-writer.js';

/** Some day's recording. */
const RECORDED = Date.parse('2024-05-06T07:08:09.000Z');
const END = { code: 1000, reason: 'end of replay' };

const { redis, gateway } = await startForFile({ REDIS_STREAM_MAXLEN: '100000' });
let streams = 0;

const freshSid = () => `stream-${streams++}`;

/** Stores entries that were written at these times, in ms after `start`. @returns their ids */
async function record(sid: string, times: readonly number[], start = RECORDED): Promise<string[]> {
  const pipeline = redis.client.pipeline();
  for (const [seq, time] of times.entries()) {
    pipeline.xadd(`default:${sid}`, `${start + time}-*`, 'd', stampedFrame('r', seq));
  }
  return (await pipeline.exec())!.map(([error, id]) => {
    if (error) throw error;
    return id as string;
  });
}

/** So many times, `step` ms apart. */
const every = (step: number, count: number, first = 0) =>
  Array.from({ length: count }, (_, index) => first + index * step);

const idsOf = ({ entries }: StreamFollower) => entries.map(({ id }) => id!);

async function stored(sid: string, until = '+'): Promise<string[]> {
  return (await redis.client.xrange(`default:${sid}`, '-', until)).map(([id]) => id);
}

interface Replay {
  readonly follower: StreamFollower;
  /** Before the replay can have begun. */
  readonly begun: number;
}

async function replay(sids: string, query: string, framing: Framing = '1'): Promise<Replay> {
  const begun = performance.now();
  return { follower: await StreamFollower.open(gateway, sids, query, framing), begun };
}

/** No entry came before its time, be the first sent at once. */
function expectPaced({ follower, begun }: Replay, speed: number): void {
  const first = entryTime(follower.entries[0]!.id!);
  follower.entries.forEach(({ id }, index) => {
    const earliest = (entryTime(id!) - first) / speed;
    expect(follower.arrivals[index]! - begun).toBeGreaterThanOrEqual(earliest - 1);
  });
}

describe('speed', () => {
  test.each([
    [1, 40, 'last_entry_id=0'],
    [4, 160, `from=${RECORDED}`],
    [0.5, 20, 'from=0'],
  ])('%f: each entry in its time, all in order, and the first at once', async (speed, step, start) => {
    const sid = freshSid();
    const ids = await record(sid, [...every(step, 8), ...every(1, 5, 8 * step), 20 * step]);
    const run = await replay(sid, `${start}&speed=${speed}&count=3`);
    await run.follower.until(() => run.follower.entries.length >= ids.length);
    expect(idsOf(run.follower)).toEqual(ids);
    expectPaced(run, speed);
    // In its time, and not whenever: the whole takes 800 ms.
    expect(run.follower.arrivals.at(-1)! - run.begun).toBeLessThan(8000);
    await run.follower.close();
  });

  test('0 is as fast as possible, as it is without', async () => {
    const sid = freshSid();
    const ids = await record(sid, every(60_000, 50));
    const { follower } = await replay(sid, 'last_entry_id=0&speed=0');
    await follower.until(() => follower.entries.length === 50);
    expect(idsOf(follower)).toEqual(ids);
    await follower.close();
  });

  test('heartbeats come while nothing is due, in each framing that has them', async () => {
    const sid = freshSid();
    const ids = await record(sid, [0, 200, 400]);
    for (const framing of ['1', 'msgpack'] as const) {
      const { follower } = await replay(sid, 'last_entry_id=0&speed=1&block=20', framing);
      const heartbeats: number[] = [];
      for (let entries = 1; entries <= 3; entries++) {
        await follower.until(() => follower.entries.length >= entries);
        heartbeats.push(follower.heartbeats);
      }
      expect(heartbeats[1]!).toBeGreaterThan(heartbeats[0]!);
      expect(heartbeats[2]!).toBeGreaterThan(heartbeats[1]!);
      expect(idsOf(follower)).toEqual(ids);
      await follower.close();
    }
  });

  test('block=-1: a heartbeat whenever nothing is due', async () => {
    const sid = freshSid();
    const ids = await record(sid, [0, 0, 200, 200, 3_600_000]);
    const { follower } = await replay(sid, 'last_entry_id=0&speed=1&block=-1');
    await follower.until(() => follower.entries.length === 4 && follower.heartbeats === 2);
    expect(idsOf(follower)).toEqual(ids.slice(0, 4));
    await follower.close();
  });

  test('several streams go by one clock, in the order of time', async () => {
    const sids = Array.from({ length: 12 }, freshSid);
    // More streams than are read at once, each beginning a little later than the one before.
    const all = await Promise.all(sids.map((sid, index) => record(sid, every(60, 6, 5 * index))));
    const ordered = all.flat().sort(compareEntryIds);
    const run = await replay(sids.join('+'), 'last_entry_id=0&speed=1');
    await run.follower.until(() => run.follower.entries.length >= ordered.length);
    expect(idsOf(run.follower)).toEqual(ordered);
    expectPaced(run, 1);
    await run.follower.close();
  });

  test('what has become due while a client did not acknowledge comes then, in the order of time', async () => {
    const sids = [freshSid(), freshSid(), freshSid()];
    const all = await Promise.all(sids.map((sid, index) => record(sid, every(30, 10, 10 * index))));
    const ordered = all.flat().sort(compareEntryIds);
    const run = await replay(sids.join('+'), 'last_entry_id=0&speed=1&ack=1&block=0');
    // A witness that acknowledges at once has had all.
    const witness = await replay(sids.join('+'), 'last_entry_id=0&speed=1');
    await witness.follower.until(() => witness.follower.entries.length === ordered.length);
    expect(run.follower.entries.length).toBe(1);
    for (let taken = 1; taken < ordered.length; taken++) {
      run.follower.ws.send('ok');
      await run.follower.until(() => run.follower.entries.length > taken);
    }
    expect(idsOf(run.follower)).toEqual(ordered);
    await Promise.all([run.follower.close(), witness.follower.close()]);
  });

  test('large frames of many streams are read when they are due, each once', async () => {
    const sids = Array.from({ length: 6 }, freshSid);
    for (const [index, sid] of sids.entries()) {
      for (const seq of [0, 1, 2]) {
        const id = `${RECORDED + index + seq * 100}-0`;
        await redis.client.xadd(`default:${sid}`, id, 'd', stampedFrame('f', seq, 3_000_000));
      }
    }
    const run = await replay(sids.join('+'), 'last_entry_id=0&speed=1');
    await run.follower.until(() => run.follower.entries.length >= 18);
    expect(idsOf(run.follower)).toEqual([...idsOf(run.follower)].sort(compareEntryIds));
    expect(new Set(run.follower.entries.map(({ sid, id }) => `${sid} ${id}`)).size).toBe(18);
    expectPaced(run, 1);
    await run.follower.close();
  });

  test('who comes back goes on after the last entry that came, at once', async () => {
    const sid = freshSid();
    const ids = await record(sid, [0, 20, 40, 30_000, 30_020, 30_040]);
    const first = await replay(sid, 'last_entry_id=0&speed=1');
    await first.follower.until(() => first.follower.entries.length === 3);
    await first.follower.close();
    const second = await replay(sid, `last_entry_id=${ids[2]}&speed=1`);
    await second.follower.until(() => second.follower.entries.length === 3);
    expect(idsOf(second.follower)).toEqual(ids.slice(3));
    expectPaced(second, 1);
    await second.follower.close();
  });

  test('latest: at each moment the newest entry that is due', async () => {
    const sid = freshSid();
    const ids = await record(sid, every(10, 80));
    const { follower } = await replay(sid, 'last_entry_id=0&speed=1&latest=1&ack=1&block=0');
    const clock = await StreamFollower.open(gateway, freshSid(), 'block=150');
    await follower.until(() => follower.entries.length === 1);
    const begun = follower.arrivals[0]!;
    for (let beats = 1; follower.entries.at(-1)!.id !== ids.at(-1); beats++) {
      await clock.until(() => clock.heartbeats >= beats);
      const had = follower.entries.length;
      const due = RECORDED + Math.min(performance.now() - begun, 790);
      follower.ws.send('ok');
      await follower.until(() => follower.entries.length > had);
      // One every 10 ms: none is older than the one before what is due.
      expect(entryTime(follower.entries.at(-1)!.id!)).toBeGreaterThan(due - 20);
    }
    const got = idsOf(follower);
    expect(got).toEqual(ids.filter((id) => got.includes(id)));
    expect(got.length).toBeLessThan(ids.length / 2);
    await Promise.all([clock.close(), follower.close()]);
  });

  test('latest: a client that keeps up gets each in its time, of several streams too', async () => {
    const sids = [freshSid(), freshSid()];
    const all = await Promise.all(sids.map((sid, index) => record(sid, every(60, 6, 30 * index))));
    const run = await replay(sids.join('+'), 'last_entry_id=0&speed=1&latest=1');
    await run.follower.until(() => all.every((ids) => idsOf(run.follower).includes(ids.at(-1)!)));
    for (const [index, sid] of sids.entries()) {
      const got = run.follower.entries.filter((entry) => entry.sid === sid).map(({ id }) => id!);
      expect(got).toEqual(all[index]!.filter((id) => got.includes(id)));
    }
    expectPaced(run, 1);
    await run.follower.close();
  });
});

describe('what is still being written', () => {
  /** A recording whose end is now, going on: each entry's id is the clock's. */
  async function writeOn(sid: string, isDone: () => boolean): Promise<StreamWriter> {
    const writer = await StreamWriter.open(gateway, sid, 'w');
    while (!isDone()) await writer.send(10);
    return writer;
  }

  test.each([
    ['8', ''],
    ['3', 'count=20&'],
    ['1000', ''],
  ])(
    'at speed %s a replay glides into live: nothing is missed, and nothing comes twice',
    async (speed, query) => {
      const sids = [freshSid(), freshSid()];
      for (const sid of sids) await record(sid, every(7, 100), Date.now() - 900);
      let isDone = false;
      const writing = Promise.all(sids.map((sid) => writeOn(sid, () => isDone)));
      const run = await replay(sids.join('+'), `${query}last_entry_id=0&speed=${speed}&block=0`);
      const lag = () => Date.now() - entryTime(idsOf(run.follower).at(-1) ?? '0-0');
      // Live, and followed so for a while.
      await run.follower.until(() => lag() < 100);
      const had = run.follower.entries.length;
      await run.follower.until(() => run.follower.entries.length > had + 100);
      isDone = true;
      for (const writer of await writing) await writer.close();
      for (const sid of sids) {
        const ids = await stored(sid);
        const got = () => run.follower.entries.filter((entry) => entry.sid === sid).map(({ id }) => id!);
        await run.follower.until(() => got().at(-1) === ids.at(-1));
        expect(got()).toEqual(ids);
      }
      await run.follower.close();
    },
  );

  test('at speed 1 a replay stays behind by what it began with', async () => {
    const sid = freshSid();
    await record(sid, every(20, 10), Date.now() - 600);
    let isDone = false;
    const writing = writeOn(sid, () => isDone);
    const run = await replay(sid, 'last_entry_id=0&speed=1&block=0');
    await run.follower.until(() => run.follower.entries.length > 60);
    isDone = true;
    await (await writing).close();
    const ids = await stored(sid);
    await run.follower.until(() => idsOf(run.follower).at(-1) === ids.at(-1));
    expect(idsOf(run.follower)).toEqual(ids);
    expectPaced(run, 1);
    await run.follower.close();
  });

  test('a stream that is empty, or that begins with $, is followed live at any speed', async () => {
    const sid = freshSid();
    const [empty, fresh] = await Promise.all([
      replay(sid, 'last_entry_id=0&speed=1'),
      replay(sid, 'speed=2'),
    ]);
    const writer = await StreamWriter.open(gateway, sid, 'w');
    for (let count = 0; count < 5; count++) await writer.send(10);
    const ids = await stored(sid);
    for (const { follower } of [empty, fresh]) {
      await follower.until(() => follower.entries.length === 5);
      expect(idsOf(follower)).toEqual(ids);
      await follower.close();
    }
    await writer.close();
  });
});

describe('from and until', () => {
  const at = (ms: number) => new Date(RECORDED + ms).toISOString();

  test('are inclusive, and take ms, ISO 8601 and ids', async () => {
    const sid = freshSid();
    const ids = await record(sid, [0, 10, 10, 20, 30, 30, 40]);
    for (const [query, from, to] of [
      [`from=${RECORDED + 10}&until=${RECORDED + 30}`, 1, 6],
      [`from=${at(10)}&until=${at(30)}`, 1, 6],
      [`from=${ids[2]}&until=${ids[4]}`, 2, 5],
      [`from=0&until=${at(19)}`, 0, 3],
      [`last_entry_id=${ids[0]}&until=${RECORDED + 10}`, 1, 3],
      [`from=${RECORDED + 11}&until=${RECORDED + 19}`, 0, 0],
    ] as const) {
      for (const more of ['', '&speed=0', '&speed=1', '&count=2', '&ack=0&max_fps=1000']) {
        const { follower } = await replay(sid, query + more);
        expect(await follower.closed).toEqual(END);
        expect([query + more, idsOf(follower)]).toEqual([query + more, ids.slice(from, to)]);
      }
      const rest = await fetch(`${gateway.http}/data/${sid}?${query}&count=100&block=100`);
      expect(JSON.parse(rest.headers.get('x-offsets')!).map(([, id]: [string, string]) => id)).toEqual(
        ids.slice(from, to),
      );
    }
  });

  test.each(['1', '0', 'msgpack'] as const)('end in a close with 1000 in framing %s', async (framing) => {
    const sid = freshSid();
    await record(sid, every(10, 20));
    for (const query of ['', 'speed=1&', 'ack=1&']) {
      const { follower } = await replay(sid, `${query}from=${RECORDED}&until=${RECORDED + 100}`, framing);
      if (query === 'ack=1&') {
        for (let taken = 1; taken <= 11; taken++) {
          await follower.until(() => follower.entries.length === taken);
          expect(follower.isClosed).toBe(false);
          follower.ws.send('ok');
        }
      }
      expect(await follower.closed).toEqual(END);
      expect(follower.entries.map(({ stamp }) => stamp)).toEqual(
        Array.from({ length: 11 }, (_, seq) => `r#${seq}`),
      );
    }
  });

  test('with latest: the newest entry up to then, be it due by and by or at once', async () => {
    const sid = freshSid();
    const ids = await record(sid, every(20, 30));
    const once = await replay(sid, `from=0&until=${RECORDED + 210}&latest=1`);
    expect(await once.follower.closed).toEqual(END);
    expect(idsOf(once.follower)).toEqual([ids[10]]);
    const paced = await replay(sid, `from=0&until=${RECORDED + 210}&latest=1&speed=1`);
    expect(await paced.follower.closed).toEqual(END);
    expect(idsOf(paced.follower).at(-1)).toBe(ids[10]);
    expect(idsOf(paced.follower).length).toBeGreaterThan(1);
    expectPaced(paced, 1);
    const rest = await fetch(`${gateway.http}/data/${sid}?from=0&until=${RECORDED + 210}&latest=1`);
    expect(rest.headers.get('x-last-entry-id')).toBe(ids[10]);
  });

  test('of large frames and many entries: all come before the end', async () => {
    const sid = freshSid();
    const pipeline = redis.client.pipeline();
    for (let seq = 0; seq < 30; seq++) {
      pipeline.xadd(`default:${sid}`, `${RECORDED + seq}-0`, 'd', stampedFrame('f', seq, 700_000));
    }
    await pipeline.exec();
    const many = freshSid();
    const ids = await record(many, every(1, 12_000));
    const [large, small] = await Promise.all([
      replay(sid, `from=0&until=${RECORDED + 28}`),
      replay(many, `from=0&until=${RECORDED + 11_500}&count=100`),
    ]);
    large.follower.pause();
    expect(await small.follower.closed).toEqual(END);
    large.follower.resume();
    expect(await large.follower.closed).toEqual(END);
    expect(large.follower.entries.length).toBe(29);
    expect(idsOf(small.follower)).toEqual(ids.slice(0, 11_501));
  });

  test.each(['', 'latest=1&', 'speed=1&', 'speed=50&'])(
    'until in the future with %s: followed live until then',
    async (query) => {
      const sids = [freshSid(), freshSid()];
      await record(sids[0]!, [0, 5], Date.now() - 50);
      const until = Date.now() + 300;
      const run = await replay(sids.join('+'), `${query}last_entry_id=0&until=${until}&block=50`);
      const writers = await Promise.all(sids.map((sid) => StreamWriter.open(gateway, sid, 'w')));
      while (!run.follower.isClosed) {
        for (const writer of writers) await writer.send(10);
      }
      expect(Date.now()).toBeGreaterThan(until);
      expect(await run.follower.closed).toEqual(END);
      for (const [index, sid] of sids.entries()) {
        const ids = await stored(sid, `${until}`);
        const got = run.follower.entries.filter((entry) => entry.sid === sid).map(({ id }) => id!);
        if (query.startsWith('latest')) expect([got.at(-1), got.length > 1]).toEqual([ids.at(-1), true]);
        else expect(got).toEqual(ids);
        await writers[index]!.close();
      }
    },
  );

  test('a stream without any entry ends too', async () => {
    const { follower } = await replay(`${freshSid()}+${freshSid()}`, `from=${at(0)}&until=${at(1)}&speed=1`);
    expect(await follower.closed).toEqual(END);
    expect(follower.entries).toEqual([]);
  });

  test('REST does not wait for what cannot come', async () => {
    const sid = freshSid();
    await record(sid, [0, 10]);
    const answer = await fetch(`${gateway.http}/data/${sid}?from=${at(5)}&until=${at(9)}&block=60000`);
    expect([answer.status, await answer.text(), answer.headers.get('x-offsets')]).toEqual([200, '', '[]']);
  });

  test('from beside last_entry_id is refused before the upgrade', async () => {
    await expect(replay(freshSid(), 'from=1&last_entry_id=2')).rejects.toThrow(/400/);
  });
});
