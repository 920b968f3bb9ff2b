/** `/data/{sid}/pull`: what decides when a follower is sent the next message: `latest`, `ack`, `max_fps`. */
import { expect, test } from 'vitest';
import { compareEntryIds } from '../../../../src/protocol/entry-id.js';
import { startForFile } from '../../../support/gateway-fixture.js';
import { TestSocket } from '../../../support/socket.js';
import { stampedFrame } from '../../../support/stamped-frames.js';
import { StreamFollower } from '../../../support/stream-follower.js';
import { StreamWriter } from '../../../support/stream-writer.js';

const { redis, gateway } = await startForFile();
let streams = 0;

const freshSid = () => `stream-${streams++}`;

/** Stores `count` frames at once and resolves to their ids. */
async function fill(sid: string, count: number, writer = 'w'): Promise<string[]> {
  return Promise.all(
    Array.from(
      { length: count },
      async (_, seq) => (await redis.client.xadd(`default:${sid}`, '*', 'd', stampedFrame(writer, seq)))!,
    ),
  );
}

const idsOf = ({ entries }: StreamFollower) => entries.map(({ id }) => id!);

function isRising(ids: readonly string[]): boolean {
  return ids.every((id, index) => index === 0 || compareEntryIds(ids[index - 1]!, id) < 0);
}

/** Waits until a follower of its own has had so many heartbeats 20 ms apart: time that passed for all. */
async function heartbeatsPass(count: number): Promise<void> {
  const clock = await StreamFollower.open(gateway, freshSid(), 'block=20');
  await clock.until(() => clock.heartbeats >= count);
  await clock.close();
}

test('latest: the newest entry after the cursor only, then each newer one', async () => {
  const sid = freshSid();
  const ids = await fill(sid, 100);
  for (const cursor of ['0', '-', ids[20]!, ids[98]!]) {
    const follower = await StreamFollower.open(gateway, sid, `last_entry_id=${cursor}&latest=1&block=20`);
    await follower.until(() => follower.messages > 0 && follower.heartbeats >= 2);
    expect(idsOf(follower)).toEqual([ids[99]]);
    await follower.close();
  }
  const after = await StreamFollower.open(gateway, sid, `last_entry_id=${ids[99]}&latest=1&block=20`);
  const fresh = await StreamFollower.open(gateway, sid, 'latest=True&block=20');
  await Promise.all([after.until(() => after.heartbeats >= 2), fresh.until(() => fresh.heartbeats >= 2)]);
  expect([after.entries, fresh.entries]).toEqual([[], []]);
  for (const follower of [after, fresh]) {
    for (const round of ['a', 'b', 'c']) {
      const [id] = await fill(sid, 1, round);
      await follower.until(() => idsOf(follower).includes(id!));
    }
  }
  await Promise.all([after.close(), fresh.close()]);
});

test('latest over several streams, in every framing', async () => {
  const sids = [freshSid(), freshSid()];
  const newest = await Promise.all(sids.map(async (sid) => (await fill(sid, 10)).at(-1)));
  for (const framing of ['1', 'msgpack'] as const) {
    const query = 'last_entry_id=0&latest=1&count=5&block=20';
    const follower = await StreamFollower.open(gateway, sids.join('+'), query, framing);
    await follower.until(() => follower.heartbeats >= 1 && follower.entries.length >= 2);
    expect(idsOf(follower).sort()).toEqual([...newest].sort());
    await follower.close();
  }
  const raw = await StreamFollower.open(gateway, sids[0]!, 'last_entry_id=0&latest=1', '0');
  await raw.until(() => raw.entries.length > 0);
  expect(raw.entries.map(({ stamp }) => stamp)).toEqual(['w#9']);
  await raw.close();
});

test('latest: never one older than one sent, nor the same again, for those who join a busy stream', async () => {
  const sid = freshSid();
  const writer = await StreamWriter.open(gateway, sid, 'w');
  let isDone = false;
  const writing = writer.sendWhile(
    () => !isDone,
    () => 100,
    32,
  );
  const join = async (lane: number) => {
    for (let round = 0; round < 15; round++) {
      const cursor = lane % 2 === 0 ? '0' : '$';
      const follower = await StreamFollower.open(gateway, sid, `last_entry_id=${cursor}&latest=1`);
      await follower.until(() => follower.entries.length >= 10);
      await follower.close();
      expect(idsOf(follower)).toSatisfy(isRising);
    }
  };
  await Promise.all(Array.from({ length: 20 }, (_, lane) => join(lane)));
  isDone = true;
  await writing;
  await writer.close();
});

test('latest: a slow client skips to the newest entry whenever it can take one', async () => {
  const sid = freshSid();
  const entries = 120;
  const skippedBefore = await gateway.metric('entries_skipped_total');
  const follower = await StreamFollower.open(gateway, sid, 'latest=1');
  follower.pause();
  const writer = await StreamWriter.open(gateway, sid, 'w');
  // Far more than what the system's buffers hold for a client that does not read.
  for (let seq = 0; seq < entries; seq++) await writer.send(400_000);
  follower.resume();
  const last = writer.sent.at(-1)!.outcome as string;
  await follower.until(() => idsOf(follower).includes(last));
  const ids = idsOf(follower);
  expect(ids).toSatisfy(isRising);
  expect(ids.at(-1)).toBe(last);
  expect(ids.length).toBeLessThan(entries);
  expect(await gateway.metric('entries_skipped_total')).toBeGreaterThan(skippedBefore);
  const next = await writer.send(10);
  await follower.until(() => idsOf(follower).at(-1) === next.outcome);
  await Promise.all([writer.close(), follower.close()]);
});

test('ack=1: the next message is sent once the last was answered by a text message', async () => {
  const sid = freshSid();
  const ids = await fill(sid, 3);
  for (const framing of ['1', '0', 'msgpack'] as const) {
    const query = 'last_entry_id=0&ack=1&block=0';
    const follower = await StreamFollower.open(gateway, sid, query, framing);
    for (let taken = 1; taken <= ids.length; taken++) {
      await follower.until(() => follower.messages >= taken);
      await heartbeatsPass(2);
      expect(follower.messages).toBe(taken);
      // A binary message says nothing, an empty text all that is to be said.
      follower.ws.send(Buffer.from('ok'));
      await heartbeatsPass(2);
      expect(follower.messages).toBe(taken);
      follower.ws.send(taken === 1 ? '' : 'ok');
    }
    expect(follower.entries.map(({ stamp }) => stamp)).toEqual(['w#0', 'w#1', 'w#2']);
    await follower.close();
  }
});

test('ack=1: a heartbeat is a message too', async () => {
  const sid = freshSid();
  const follower = await StreamFollower.open(gateway, sid, 'ack=1&block=20');
  await follower.until(() => follower.heartbeats === 1);
  const [id] = await fill(sid, 1);
  const witness = await StreamFollower.open(gateway, sid, 'last_entry_id=0&block=20');
  await witness.until(() => witness.heartbeats >= 4);
  expect([follower.heartbeats, follower.messages]).toEqual([1, 0]);
  follower.ws.send('ok');
  await follower.until(() => follower.messages === 1);
  await witness.until(() => witness.heartbeats >= 8);
  expect([follower.heartbeats, idsOf(follower)]).toEqual([1, [id]]);
  follower.ws.send('ok');
  await follower.until(() => follower.heartbeats === 2);
  await Promise.all([follower.close(), witness.close()]);
});

test('ack=1 with count: a message may hold several entries, and several streams take turns', async () => {
  const sids = [freshSid(), freshSid()];
  const ids = await Promise.all(sids.map((sid) => fill(sid, 4)));
  const socket = await TestSocket.open(
    `${gateway.ws}/data/${sids.join('+')}/pull?last_entry_id=0&count=2&ack=1`,
  );
  const got: Record<string, string[]> = {};
  for (let messages = 0; messages < 4; messages++) {
    const rows = await socket.receiveJson<[string, string, number][]>();
    await socket.receive();
    expect(rows.length).toBe(2);
    for (const [sid, id] of rows) got[sid] = [...(got[sid] ?? []), id];
    socket.send('next');
  }
  expect(got).toEqual({ [sids[0]!]: ids[0], [sids[1]!]: ids[1] });
  await socket.close();
});

test('max_fps: never more messages than that many a second, and none lost', async () => {
  const sid = freshSid();
  const ids = await fill(sid, 20);
  for (const fps of [50, 40.5]) {
    const begun = performance.now();
    const follower = await StreamFollower.open(gateway, sid, `last_entry_id=0&max_fps=${fps}&block=0`);
    for (let taken = 1; taken <= ids.length; taken++) {
      await follower.until(() => follower.messages >= taken);
      // Seen later than sent, so that more than may have been sent by now is a fault.
      expect(follower.messages).toBeLessThanOrEqual(1 + ((performance.now() - begun) * fps) / 1000 + 0.1);
    }
    expect(idsOf(follower)).toEqual(ids);
    // Rest is not saved up for a burst.
    await heartbeatsPass(5);
    const later = performance.now();
    const more = await fill(sid, 6, `more-${fps}`);
    for (let taken = 1; taken <= more.length; taken++) {
      await follower.until(() => follower.messages >= ids.length + taken);
      const allowed = 1 + ((performance.now() - later) * fps) / 1000 + 0.1;
      expect(follower.messages - ids.length).toBeLessThanOrEqual(allowed);
    }
    expect(idsOf(follower).slice(ids.length)).toEqual(more);
    ids.push(...more);
    await follower.close();
  }
});

test('max_fps with latest: what came in between is skipped', async () => {
  const sid = freshSid();
  const follower = await StreamFollower.open(gateway, sid, 'latest=1&max_fps=20&block=0');
  const ids: string[] = [];
  for (let round = 0; round < 10; round++) ids.push(...(await fill(sid, 20, `round-${round}`)));
  await follower.until(() => idsOf(follower).includes(ids.at(-1)!));
  expect(idsOf(follower)).toSatisfy(isRising);
  expect(follower.messages).toBeLessThan(ids.length);
  await follower.close();
});
