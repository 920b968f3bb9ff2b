/** `/data/{sid}/pull`: where a follower begins. */
import { expect, test } from 'vitest';
import { startForFile } from '../../../support/gateway-fixture.js';
import { TestSocket } from '../../../support/socket.js';
import { StreamFollower } from '../../../support/stream-follower.js';
import { StreamWriter } from '../../../support/stream-writer.js';

const { redis, gateway } = await startForFile();
let streams = 0;

const freshSid = () => `stream-${streams++}`;

const pull = (sid: string, query = '') => TestSocket.open(`${gateway.ws}/data/${sid}/pull?${query}`);

/** Stores an entry whose payload is its id. */
async function add(sid: string, id = '*'): Promise<string> {
  return (await redis.client.xadd(`default:${sid}`, id, 'd', `${sid} ${id}`))!;
}

async function receiveIds(socket: TestSocket, count: number): Promise<string[]> {
  const ids: string[] = [];
  while (ids.length < count) {
    const rows = await socket.receiveJson<[string, string, number][]>();
    await socket.receive();
    ids.push(...rows.map(([, id]) => id));
  }
  return ids;
}

test('last_entry_id: the entries after it', async () => {
  const sid = freshSid();
  const ids = ['5-0', '5-1', '6-0', '1700000000000-0', '1700000000000-18446744073709551615'];
  for (const id of ids) await add(sid, id);
  for (const [cursor, first] of [
    ['0', 0],
    ['-', 0],
    ['0-0', 0],
    ['4', 0],
    ['4-99', 0],
    ['5', 1],
    ['5-0', 1],
    ['005-00', 1],
    ['5-1', 2],
    ['5-2', 2],
    ['6', 3],
    ['1699999999999', 3],
    ['1700000000000-1', 4],
  ] as const) {
    const socket = await pull(sid, `last_entry_id=${cursor}`);
    expect([cursor, await receiveIds(socket, ids.length - first)]).toEqual([cursor, ids.slice(first)]);
    await socket.close();
  }
});

test('last_entry_id after the newest entry: nothing that comes before it', async () => {
  const sid = freshSid();
  await add(sid, '5-0');
  const sockets = await Promise.all(
    ['7-0', '18446744073709551615-18446744073709551615'].map((cursor) =>
      pull(sid, `block=0&last_entry_id=${cursor}`),
    ),
  );
  const witness = await pull(sid, 'last_entry_id=5-0');
  for (const id of ['6-0', '7-0', '7-1', '8-0']) await add(sid, id);
  expect(await receiveIds(sockets[0]!, 2)).toEqual(['7-1', '8-0']);
  expect(await receiveIds(witness, 4)).toEqual(['6-0', '7-0', '7-1', '8-0']);
  expect(sockets[1]!.pending).toBe(0);
  await Promise.all([...sockets, witness].map((socket) => socket.close()));
});

test('$, which is the default: what is stored once the client is told that it is open', async () => {
  const existing = freshSid();
  const before = await add(existing);
  const join = async (query: string, sid: string) => {
    const socket = await pull(sid, query);
    const id = await add(sid);
    const ids: string[] = [];
    while (!ids.includes(id)) ids.push(...(await receiveIds(socket, 1)));
    // Those that join the same stream at the same time add theirs before and after.
    if (sid === existing) expect(ids).not.toContain(before);
    else expect(ids).toEqual([id]);
    await socket.close();
  };
  await Promise.all(
    Array.from({ length: 60 }, (_, index) => {
      const query = index % 3 === 0 ? '' : index % 3 === 1 ? 'last_entry_id=$' : 'last_entry_id=%24';
      return join(query, index % 2 === 0 ? existing : freshSid());
    }),
  );
});

test('$ is the end of the stream and not the time of a clock', async () => {
  const old = freshSid();
  await add(old, '1-1');
  const ahead = freshSid();
  const far = Date.now() + 1_000_000;
  await add(ahead, `${far}-0`);
  const emptied = freshSid();
  await add(emptied, `${far}-0`);
  await redis.client.xdel(`default:${emptied}`, `${far}-0`);
  for (const [sid, id] of [
    [old, '2-1'],
    [ahead, `${far}-1`],
    [emptied, `${far}-1`],
  ] as const) {
    const socket = await pull(sid, 'last_entry_id=$');
    await add(sid, id);
    expect(await receiveIds(socket, 1)).toEqual([id]);
    await socket.close();
  }
});

test('every cursor gives the rest of a stream that is being written, without a gap', async () => {
  const sid = freshSid();
  const writer = await StreamWriter.open(gateway, sid, 'w');
  let isDone = false;
  const writing = writer.sendWhile(
    () => !isDone,
    () => 200,
    8,
  );
  const check = async (cursorOf: () => string | undefined) => {
    const cursor = cursorOf();
    const before = writer.sent.length;
    const follower = await StreamFollower.open(gateway, sid, cursor ? `last_entry_id=${cursor}` : '');
    const begun = writer.sent.length;
    await follower.until(() => follower.entries.length >= 50);
    await follower.close();
    const seqs = follower.entries.map(({ stamp }) => Number(stamp.split('#')[1]));
    const first = seqs[0]!;
    expect(seqs).toEqual(seqs.map((_, index) => first + index));
    if (cursor === undefined) {
      // Not later than what was sent after the opening, nor what was acknowledged before.
      expect(first).toBeLessThanOrEqual(begun);
      expect(first).toBeGreaterThanOrEqual(before - 8);
    } else {
      expect(first).toBe(cursor === '0' ? 0 : writer.sent.findIndex(({ outcome }) => outcome === cursor) + 1);
    }
  };
  await Promise.all(
    Array.from({ length: 30 }, async (_, index) => {
      for (let round = 0; round < 3; round++) {
        await check(() => {
          if (index % 3 === 0 || writer.acked === 0) return undefined;
          if (index % 3 === 1) return '0';
          return writer.sent[Math.floor(Math.random() * writer.acked)]!.outcome as string;
        });
      }
    }),
  );
  isDone = true;
  await writing;
  await writer.close();
});
