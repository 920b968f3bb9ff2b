/** `GET /data/{sid}`: which entries are read, in which form, and how long it waits for them. */
import { Unpackr } from 'msgpackr';
import { beforeAll, describe, expect, test } from 'vitest';
import { startForFile } from '../../../support/gateway-fixture.js';
import { postEntries, readEntries, refused } from '../../../support/http.js';

const MAX_BLOCK_MS = 300;
/** Timers may be this much early, since the clocks of two processes are compared in whole ms. */
const CLOCK_MS = 2;

const { redis, gateway } = await startForFile({ MAX_BLOCK_MS: String(MAX_BLOCK_MS) });
let streams = 0;

const freshSid = () => `stream-${streams++}`;
const address = (path: string) => `${gateway.http}/data/${path}`;

/** Stores entries under ids of the test's own. */
async function fill(key: string, entries: Readonly<Record<string, string | Buffer>>): Promise<void> {
  for (const [id, payload] of Object.entries(entries)) await redis.client.xadd(key, id, 'd', payload);
}

/** The ids that a read answers, and its cursor. */
async function idsAfter(path: string): Promise<[ids: string[], lastEntryId: string]> {
  const { entries, lastEntryId } = await readEntries(address(path));
  return [entries.map(([, id]) => id), lastEntryId];
}

async function timed<T>(run: () => Promise<T>): Promise<[result: T, ms: number]> {
  const before = performance.now();
  return [await run(), performance.now() - before];
}

describe('cursors', () => {
  const numbers = { '1000-0': 'a', '1000-1': 'bb', '2000-0': '', '3000-5': 'dddd' };
  const all = Object.keys(numbers);
  const largest = '18446744073709551615-18446744073709551615';

  beforeAll(() => fill('default:numbers', numbers));

  test.each([
    ['0', all, '3000-5'],
    ['-', all, '3000-5'],
    ['0-0', all, '3000-5'],
    ['999', all, '3000-5'],
    ['999-18446744073709551615', all, '3000-5'],
    ['1000', ['1000-1', '2000-0', '3000-5'], '3000-5'],
    ['1000-0', ['1000-1', '2000-0', '3000-5'], '3000-5'],
    ['0001000-0001', ['2000-0', '3000-5'], '3000-5'],
    ['1500', ['2000-0', '3000-5'], '3000-5'],
    ['3000-4', ['3000-5'], '3000-5'],
    ['3000-5', [], '3000-5'],
    ['3000', ['3000-5'], '3000-5'],
    ['9000', [], '9000-0'],
    ['0009000-07', [], '9000-7'],
    [largest, [], largest],
    ['$', [], '3000-5'],
  ])('after %s', async (cursor, ids, lastEntryId) => {
    const query = `last_entry_id=${encodeURIComponent(cursor)}&count=100&block=-1`;
    expect(await idsAfter(`numbers?${query}`)).toEqual([ids, lastEntryId]);
  });

  test('by default after the newest', async () => {
    expect(await idsAfter('numbers?block=-1')).toEqual([[], '3000-5']);
  });

  test('by default one entry is read', async () => {
    expect(await idsAfter('numbers?last_entry_id=0')).toEqual([['1000-0'], '1000-0']);
    expect(await idsAfter('numbers?last_entry_id=0&count=3')).toEqual([all.slice(0, 3), '2000-0']);
  });

  test('the newest is the last that was stored, though it was deleted', async () => {
    await fill('default:deleted', { '1-0': 'kept', '2-0': 'deleted' });
    await redis.client.xdel('default:deleted', '2-0');
    expect(await idsAfter('deleted?block=-1')).toEqual([[], '2-0']);
    expect(await idsAfter('deleted?block=-1&last_entry_id=0&latest=1')).toEqual([['1-0'], '1-0']);
  });

  test('a stream that does not exist has none', async () => {
    expect(await idsAfter('missing?block=-1')).toEqual([[], '0-0']);
    expect(await idsAfter('missing?block=-1&last_entry_id=-')).toEqual([[], '0-0']);
    expect(await idsAfter('missing?block=-1&last_entry_id=5')).toEqual([[], '5-0']);
    expect(await redis.client.exists('default:missing')).toBe(0);
  });

  test('several streams, in the order of their ids', async () => {
    await fill('default:left', { '1-0': 'l1', '2-0': 'l2' });
    await fill('default:right', { '1-0': 'r1', '3-0': 'r3' });
    const read = (query: string) => readEntries(address(`right+missing+left?${query}&block=-1`));
    expect(await read('last_entry_id=0')).toMatchObject({
      entries: [
        ['right', '1-0', 'r1'],
        ['left', '1-0', 'l1'],
      ],
      lastEntryId: '1-0+0-0+1-0',
    });
    for (const plus of ['+', '%2B', '%20']) {
      expect(await read(`count=9&last_entry_id=${['1-0', '7', '0'].join(plus)}`)).toMatchObject({
        entries: [
          ['right', '3-0', 'r3'],
          ['left', '1-0', 'l1'],
          ['left', '2-0', 'l2'],
        ],
        lastEntryId: '3-0+7-0+2-0',
      });
    }
    expect(await read('last_entry_id=-%2B$%2B$')).toMatchObject({
      entries: [['right', '1-0', 'r1']],
      lastEntryId: '1-0+0-0+2-0',
    });
  });
});

describe('the answer', () => {
  test('says where each entry starts, or ends', async () => {
    await fill('default:sizes', { '1-0': 'a', '2-0': '', '3-0': 'ccc' });
    await fill('default:more', { '1-0': 'dd' });
    const path = address('sizes+more?last_entry_id=0&count=9');
    const response = await fetch(path);
    expect(response.headers.get('x-offsets')).toBe(
      '[["sizes","1-0",0],["sizes","2-0",1],["sizes","3-0",1],["more","1-0",4]]',
    );
    expect(response.headers.get('content-type')).toBe('application/octet-stream');
    expect(response.headers.get('cache-control')).toBe('no-store');
    expect(await response.text()).toBe('acccdd');
    const ends = await fetch(`${path}&offsets=end`);
    expect(ends.headers.get('x-offsets')).toBe(
      '[["sizes","1-0",1],["sizes","2-0",1],["sizes","3-0",4],["more","1-0",6]]',
    );
    expect(await ends.text()).toBe('acccdd');
  });

  test('escapes all that is not ASCII in its headers', async () => {
    const sid = 'ü "名前" \\ 😀';
    await fill(`default:${sid}`, { '1-0': 'x' });
    const response = await fetch(address(`${encodeURIComponent(sid)}?last_entry_id=0`));
    const offsets = response.headers.get('x-offsets')!;
    expect(offsets).toMatch(/^[\x20-\x7e]+$/);
    expect(JSON.parse(offsets)).toEqual([[sid, '1-0', 0]]);
  });

  test('is MessagePack for those who accept it', async () => {
    const bytes = Buffer.from([0, 255, 128]);
    await fill('default:packed', { '1-0': 'a', '2-0': bytes });
    await fill('default:large', { '1-0': Buffer.alloc(100_000, 'large ') });
    const path = address('packed+large?last_entry_id=0&count=2');
    for (const accept of ['application/msgpack', 'text/html, Application/MsgPack;q=0.9']) {
      const response = await fetch(path, { headers: { accept } });
      expect(response.headers.get('content-type')).toBe('application/msgpack');
      expect(response.headers.get('x-last-entry-id')).toBe('2-0+1-0');
      const body = Buffer.from(await response.arrayBuffer());
      const rows = new Unpackr({ useRecords: false }).unpack(body) as [string, string, Buffer][];
      expect(rows.map(([sid, id, payload]) => [sid, id, payload.toString('latin1')])).toEqual([
        ['packed', '1-0', 'a'],
        ['packed', '2-0', bytes.toString('latin1')],
        ['large', '1-0', Buffer.alloc(100_000, 'large ').toString()],
      ]);
    }
    const empty = await fetch(address('packed?block=-1'), { headers: { accept: 'application/msgpack' } });
    expect(Buffer.from(await empty.arrayBuffer())).toEqual(Buffer.from([0x90]));
  });

  test('names streams by their whole key on request', async () => {
    await fill('robot:cam/left', { '1-0': 'x' });
    const path = address('left?device_id=robot&prefix=cam/&last_entry_id=0');
    expect((await readEntries(path)).entries).toEqual([['left', '1-0', 'x']]);
    const kept = await readEntries(`${path}&keep_device_id_in_stream_id=1`);
    expect(kept.entries).toEqual([['robot:cam/left', '1-0', 'x']]);
  });

  test("holds the streams of its device and prefix, and no other's", async () => {
    await fill('default:mine', { '1-0': 'default' });
    await fill('robot:mine', { '1-0': 'robot' });
    await fill('robot:p/mine', { '1-0': 'prefixed' });
    const payload = async (query: string) =>
      (await readEntries(address(`mine?last_entry_id=0&${query}`))).entries.map((entry) => entry[2]);
    expect(await payload('')).toEqual(['default']);
    expect(await payload('device_id=default')).toEqual(['default']);
    expect(await payload('device_id=robot')).toEqual(['robot']);
    expect(await payload('device_id=robot&prefix=p/')).toEqual(['prefixed']);
    expect(await payload('device_id=r%C3%B6bot&block=-1')).toEqual([]);
  });

  test('holds system streams, of no device', async () => {
    const event = JSON.stringify({ device_id: 'robot', meta: {} });
    await fill(':event:device.meta', { '1-0': event });
    const expected = [[':event:device.meta', '1-0', event]];
    for (const query of ['', '&device_id=robot&prefix=p/', '&keep_device_id_in_stream_id=1']) {
      const { entries } = await readEntries(address(`:event:device.meta?last_entry_id=0${query}`));
      expect(entries).toEqual(expected);
    }
  });
});

describe("other writers' entries", () => {
  const read = async (sid: string) => (await readEntries(address(`${sid}?last_entry_id=0`))).entries[0]![2];

  test.each([
    ['one field', ['temperature', '21.5'], '{"temperature":"21.5"}'],
    ['several fields', ['a', '1', 'ü', '名'], '{"a":"1","ü":"名"}'],
    ['an empty value', ['a', ''], '{"a":""}'],
    [
      'a value that is not UTF-8',
      ['a', Buffer.from([0xff, 0xfe]), 'b', 'x'],
      '{"a":{"base64":"//4="},"b":"x"}',
    ],
    ['a field called __proto__', ['__proto__', 'x'], '{"__proto__":"x"}'],
    ['a field called D', ['D', 'x'], '{"D":"x"}'],
    ['the payload among others', ['a', '1', 'd', 'payload', 'z', '2'], 'payload'],
    ["a value 'd'", ['a', 'd', 'b', 'x'], '{"a":"d","b":"x"}'],
  ])('%s', async (_, fields, expected) => {
    const sid = freshSid();
    await redis.client.xadd(`default:${sid}`, '1-0', ...fields);
    expect(await read(sid)).toBe(expected);
  });
});

describe('a key that is no stream', () => {
  test.each(['last_entry_id=0', 'last_entry_id=$', 'latest=1&last_entry_id=0'])(
    'is refused: %s',
    async (query) => {
      await redis.client.set('default:text', 'x');
      const response = await fetch(address(`text?${query}`));
      expect(await refused(response)).toMatchObject({ status: 409, code: 'wrong_type' });
    },
  );

  test('beside one that is, too', async () => {
    await redis.client.set('default:text', 'x');
    await fill('default:beside', { '1-0': 'x' });
    const response = await fetch(address('beside+text?last_entry_id=0'));
    expect(await refused(response)).toMatchObject({ status: 409, code: 'wrong_type' });
  });
});

describe('waiting', () => {
  test.each([
    ['-1', 0],
    ['50', 50],
    ['0', MAX_BLOCK_MS],
    ['60000', MAX_BLOCK_MS],
    ['', MAX_BLOCK_MS],
  ])('block=%s in vain takes so long, and no error', async (block, ms) => {
    const sid = freshSid();
    await fill(`default:${sid}`, { '7-0': 'old' });
    const query = block === '' ? '' : `&block=${block}`;
    const [read, took] = await timed(() => readEntries(address(`${sid}?last_entry_id=$${query}`)));
    expect(read).toMatchObject({ entries: [], lastEntryId: '7-0' });
    expect(read.response.headers.get('content-length')).toBe('0');
    expect(read.response.headers.get('x-offsets')).toBe('[]');
    expect(took).toBeGreaterThanOrEqual(ms - CLOCK_MS);
    expect(took).toBeLessThan(ms + 5000);
  });

  test('ends with the first entry that comes', async () => {
    const sid = freshSid();
    const waiting = readEntries(address(`${sid}?last_entry_id=0&block=0`));
    await expect.poll(() => gateway.metric('followed_streams')).toBeGreaterThan(0);
    const [id] = await postEntries(address(sid), 'came');
    expect(await waiting).toMatchObject({ entries: [[sid, id, 'came']], lastEntryId: id });
  });

  test('ends with an entry of any of its streams', async () => {
    const sid = freshSid();
    await fill('default:quiet', { '5-0': 'old' });
    const waiting = readEntries(address(`quiet+${sid}?last_entry_id=5%2B0&block=0`));
    const [id] = await postEntries(address(sid), 'came');
    expect(await waiting).toMatchObject({ entries: [[sid, id, 'came']], lastEntryId: `5-0+${id}` });
  });

  test('ends with what another writer stores', async () => {
    const sid = freshSid();
    const waiting = readEntries(address(`${sid}?last_entry_id=0&block=0`));
    await redis.client.xadd(`default:${sid}`, '1-0', 'a', '1');
    expect((await waiting).entries).toEqual([[sid, '1-0', '{"a":"1"}']]);
  });

  test('by many is ended by one entry for all', async () => {
    const sid = freshSid();
    const waiting = Array.from({ length: 50 }, () => readEntries(address(`${sid}?last_entry_id=0&block=0`)));
    const [id] = await postEntries(address(sid), 'for all');
    for (const read of await Promise.all(waiting)) expect(read.entries).toEqual([[sid, id, 'for all']]);
  });

  test('given up by its client, is given up by the gateway', async () => {
    const abort = new AbortController();
    const gone = fetch(address(`${freshSid()}?block=0`), { signal: abort.signal });
    await expect.poll(() => gateway.metric('followed_streams')).toBeGreaterThan(0);
    abort.abort();
    await expect(gone).rejects.toThrow('aborted');
    await expect.poll(() => gateway.metric('followed_streams'), { timeout: 10_000 }).toBe(0);
    expect(gateway.process.exitCode).toBeNull();
  });

  test('from now on does not see what was stored before, and sees what is stored after', async () => {
    const sid = freshSid();
    const stored: string[] = [];
    let isDone = false;
    const writing = (async () => {
      while (!isDone) stored.push((await redis.client.xadd(`default:${sid}`, '*', 'd', `${stored.length}`))!);
    })();
    for (let round = 0; round < 20; round++) {
      const known = stored.length;
      const { entries, lastEntryId } = await readEntries(address(`${sid}?block=0`));
      expect(entries).toHaveLength(1);
      await expect.poll(() => stored, { interval: 1 }).toContain(lastEntryId);
      expect(entries[0]).toEqual([sid, lastEntryId, `${stored.indexOf(lastEntryId)}`]);
      expect(stored.indexOf(lastEntryId)).toBeGreaterThanOrEqual(known);
    }
    isDone = true;
    await writing;
  });
});

describe('latest', () => {
  const frames = { '1000-0': 'old', '2000-0': 'middle', '3000-0': 'new' };

  beforeAll(() => fill('default:frames', frames));

  test.each([
    ['0', '3000-0'],
    ['2000-0', '3000-0'],
    ['2500', '3000-0'],
    ['3000-0', undefined],
    ['9000', undefined],
    ['$', undefined],
  ])('after %s', async (cursor, id) => {
    const { entries, lastEntryId } = await readEntries(
      address(`frames?latest=True&count=100&block=-1&last_entry_id=${cursor}`),
    );
    expect(entries).toEqual(id === undefined ? [] : [['frames', id, 'new']]);
    if (id !== undefined) expect(lastEntryId).toBe(id);
  });

  test('of each stream', async () => {
    await fill('default:other', { '5-0': 'x', '6-0': 'y' });
    const { entries, lastEntryId } = await readEntries(address('frames+other?latest=1&last_entry_id=0'));
    expect(entries).toEqual([
      ['frames', '3000-0', 'new'],
      ['other', '6-0', 'y'],
    ]);
    expect(lastEntryId).toBe('3000-0+6-0');
  });

  test('waits for one where there is none', async () => {
    const sid = freshSid();
    const waiting = readEntries(address(`${sid}?latest=1&last_entry_id=0&block=0`));
    const [id] = await postEntries(address(sid), 'came');
    expect((await waiting).entries).toEqual([[sid, id, 'came']]);
  });
});

test('those that ask for one entry in the same moment in different forms are each answered in theirs', async () => {
  const sid = freshSid();
  await fill(`default:${sid}`, { '7-0': 'same' });
  const path = `${sid}?latest=1&last_entry_id=0&block=-1`;
  const forms: [path: string, headers: Record<string, string>][] = [
    [path, {}],
    [path, { accept: 'application/msgpack' }],
    [path, { origin: 'http://localhost:1234' }],
    [`${path}&keep_device_id_in_stream_id=1`, {}],
    [`${path}&gaps=1`, {}],
  ];
  const answers = await Promise.all(
    // One answer of each form is not the first.
    [...forms, ...forms].map(async ([ofForm, headers]) => {
      const response = await fetch(address(ofForm), { headers });
      const body = Buffer.from(await response.arrayBuffer());
      const named = ['content-type', 'x-offsets', 'x-gap', 'access-control-allow-origin'];
      return [...named.map((name) => response.headers.get(name)), body.subarray(-4).toString()];
    }),
  );
  const bytes = 'application/octet-stream';
  const row = `[["${sid}","7-0",0]]`;
  const expected = [
    [bytes, row, null, null, 'same'],
    ['application/msgpack', null, null, null, 'same'],
    [bytes, row, null, 'http://localhost:1234', 'same'],
    [bytes, `[["default:${sid}","7-0",0]]`, null, null, 'same'],
    [bytes, row, '[]', null, 'same'],
  ];
  expect(answers).toEqual([...expected, ...expected]);
});
