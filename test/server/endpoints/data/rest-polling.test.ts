/** Clients that poll with `x-last-entry-id` while others write: nothing is missed, nothing comes twice. */
import { describe, expect, test } from 'vitest';
import { startForFile } from '../../../support/gateway-fixture.js';
import { readEntries } from '../../../support/http.js';
import { TestSocket } from '../../../support/socket.js';

const { redis, gateway } = await startForFile();
let streams = 0;

const freshSid = () => `stream-${streams++}`;

/** Writes numbered entries to each stream, through the gateway and past it. */
async function write(sids: readonly string[], count: number): Promise<void> {
  const socket = await TestSocket.open(`${gateway.ws}/data/*/push?ack=1`);
  for (let number = 0; number < count; number += 2) {
    for (const sid of sids) {
      const acks = await socket.push([[sid, `${number}`.length]], `${number}`);
      expect(acks).toEqual([expect.stringMatching(/^\d+-\d+$/)]);
      await redis.client.xadd(`default:${sid}`, '*', 'd', `${number + 1}`);
    }
  }
  await socket.close();
}

/** All that a stream holds, as reads give it. */
async function stored(sid: string): Promise<[sid: string, id: string, payload: string][]> {
  const entries = await redis.client.xrange(`default:${sid}`, '-', '+');
  return entries.map(([id, fields]) => [sid, id, fields[1]!]);
}

/** Polls until every stream has given its entry of that number. */
async function poll(sids: readonly string[], query: string, cursor: string, lastNumber: number) {
  const seen = new Map<string, unknown[]>(sids.map((sid) => [sid, []]));
  const unfinished = new Set(sids);
  let lastEntryId = cursor;
  while (unfinished.size > 0) {
    const address = `${gateway.http}/data/${sids.join('+')}?${query}&last_entry_id=${lastEntryId}`;
    const read = await readEntries(address);
    for (const entry of read.entries) {
      seen.get(entry[0])!.push(entry);
      if (entry[2] === `${lastNumber}`) unfinished.delete(entry[0]);
    }
    expect(read.lastEntryId.split('+')).toHaveLength(sids.length);
    lastEntryId = read.lastEntryId;
  }
  return seen;
}

const ENTRIES = 400;

describe.each([1, 2])('%i streams', (number) => {
  test.each(['count=1&block=2000', 'count=100&block=2000', 'count=3&block=-1', 'count=7&block=1'])(
    'with %s',
    async (query) => {
      const sids = Array.from({ length: number }, freshSid);
      // The first request finds nothing, and its cursor is where the polling begins.
      const { lastEntryId } = await readEntries(`${gateway.http}/data/${sids.join('+')}?block=-1`);
      expect(lastEntryId).toBe(sids.map(() => '0-0').join('+'));
      const [seen] = await Promise.all([poll(sids, query, lastEntryId, ENTRIES - 1), write(sids, ENTRIES)]);
      for (const sid of sids) {
        const all = await stored(sid);
        expect(all).toHaveLength(ENTRIES);
        expect(seen.get(sid)).toEqual(all);
      }
    },
  );
});

test('several clients that begin in the midst of it', async () => {
  const sid = freshSid();
  const writing = write([sid], ENTRIES);
  const clients = ['count=1', 'count=2', 'count=100'].map((query) =>
    poll([sid], `block=2000&${query}`, '$', ENTRIES - 1),
  );
  const [all] = await Promise.all([writing.then(() => stored(sid)), ...clients]);
  for (const client of clients) {
    const seen = (await client).get(sid)!;
    expect(seen).toEqual(all.slice(-seen.length));
  }
});

test('a stream that is trimmed meanwhile goes on with the oldest entry left', async () => {
  const sid = freshSid();
  for (const id of ['1-0', '2-0', '3-0', '4-0']) await redis.client.xadd(`default:${sid}`, id, 'd', id);
  const first = await readEntries(`${gateway.http}/data/${sid}?last_entry_id=0`);
  await redis.client.xtrim(`default:${sid}`, 'MAXLEN', '=', 1);
  const next = await readEntries(`${gateway.http}/data/${sid}?last_entry_id=${first.lastEntryId}`);
  expect(next.entries).toEqual([[sid, '4-0', '4-0']]);
});
