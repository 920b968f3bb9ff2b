/** What is told of streams: their entries in every form, their names, and which stream a name means. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type GraphqlFixture, startGraphqlFixture } from '../support/graphql.js';

const MIB = 1024 * 1024;

const EVERY_FIELD = `id streamId sid length entriesAdded groups radixTreeKeys radixTreeNodes
  lastGeneratedId maxDeletedEntryId recordedFirstEntryId
  firstEntryId firstEntryTime firstEntryData firstEntryString firstEntryJson
  lastEntryId lastEntryTime lastEntryData lastEntryString lastEntryJson error meta`;

/** A stream of which there is nothing. */
const NOTHING = {
  length: 0,
  entriesAdded: 0,
  groups: 0,
  radixTreeKeys: 0,
  radixTreeNodes: 0,
  lastGeneratedId: '',
  maxDeletedEntryId: '',
  recordedFirstEntryId: '',
  firstEntryId: '',
  firstEntryTime: '',
  firstEntryData: '',
  firstEntryString: '',
  firstEntryJson: {},
  lastEntryId: '',
  lastEntryTime: '',
  lastEntryData: '',
  lastEntryString: '',
  lastEntryJson: {},
  error: 'no such key',
  meta: {},
};

const names = (id: string) => ({ id, streamId: id, sid: id });

let fixture: GraphqlFixture;

beforeAll(async () => {
  fixture = await startGraphqlFixture();
});

afterAll(() => fixture?.stop());

beforeEach(() => fixture.redis.client.flushdb());

const add = async (key: string, payload: string | Buffer, id = '*') =>
  (await fixture.redis.client.xadd(key, id, 'd', payload))!;

const stream = async (id: string, fields = EVERY_FIELD) =>
  (await fixture.data(`query ($id: String!) { stream(id: $id) { ${fields} } }`, { id })).stream;

const base64 = (bytes: string | Buffer) => Buffer.from(bytes as string).toString('base64');

test('a document that is sent again selects by the variables of each request', async () => {
  await add('default:s', 'text', '5-0');
  const document = `query ($text: Boolean!) {
    stream(id: "s") { id lastEntryId @skip(if: $text) lastEntryString @include(if: $text) length }
  }`;
  for (const text of [true, false, true]) {
    const told = text ? { lastEntryString: 'text' } : { lastEntryId: '5-0' };
    expect(await fixture.data(document, { text })).toEqual({ stream: { id: 's', ...told, length: 1 } });
  }
});

describe('every field', () => {
  test('of a stream', async () => {
    const { client } = fixture.redis;
    for (const [ms, payload] of [
      [1_638_125_133_432, '{"a": 1}'],
      [1_638_125_133_433, 'x'],
      [1_638_125_133_434, 'last'],
    ] as const) {
      await add('default:s', payload, `${ms}-7`);
    }
    await client.xdel('default:s', '1638125133433-7');
    await client.xgroup('CREATE', 'default:s', 'g', '0');
    await client.set(':stream:meta:default:s', '{"format":"mp4"}');
    expect(await stream('s')).toEqual({
      ...names('s'),
      length: 2,
      entriesAdded: 3,
      groups: 1,
      radixTreeKeys: 1,
      radixTreeNodes: 2,
      lastGeneratedId: '1638125133434-7',
      maxDeletedEntryId: '1638125133433-7',
      recordedFirstEntryId: '1638125133432-7',
      firstEntryId: '1638125133432-7',
      firstEntryTime: '2021-11-28T18:45:33.432Z',
      firstEntryData: base64('{"a": 1}'),
      firstEntryString: '{"a": 1}',
      firstEntryJson: { a: 1 },
      lastEntryId: '1638125133434-7',
      lastEntryTime: '2021-11-28T18:45:33.434Z',
      lastEntryData: base64('last'),
      lastEntryString: 'last',
      lastEntryJson: null,
      error: '',
      meta: { format: 'mp4' },
    });
  });

  test('of no stream at all', async () => {
    expect(await stream('none')).toEqual({ ...names('none'), ...NOTHING });
  });

  test('of a stream that has metadata only', async () => {
    await fixture.redis.client.set(':stream:meta:default:s', '{"a":[]}');
    expect(await stream('s')).toEqual({ ...names('s'), ...NOTHING, meta: { a: [] } });
  });

  test('of a key of another type', async () => {
    await fixture.redis.client.lpush('default:list', 'x');
    expect(await stream('list')).toEqual({
      ...names('list'),
      ...NOTHING,
      error: 'WRONGTYPE Operation against a key holding the wrong kind of value',
    });
  });

  test('of a stream that has lost its entries', async () => {
    const id = await add('default:s', 'x');
    await fixture.redis.client.xdel('default:s', id);
    expect(await stream('s')).toEqual({
      ...names('s'),
      ...NOTHING,
      radixTreeNodes: 1,
      entriesAdded: 1,
      lastGeneratedId: id,
      maxDeletedEntryId: id,
      recordedFirstEntryId: '0-0',
      error: '',
    });
  });

  test('each alone is what it is among the others', async () => {
    await add('default:s', '[1]');
    await add('default:s', Buffer.from([0xff]));
    await fixture.redis.client.set(':stream:meta:default:s', '{"a":1}');
    for (const id of ['s', 'none']) {
      const all = await stream(id);
      for (const field of EVERY_FIELD.split(/\s+/)) {
        expect(await stream(id, field)).toEqual({ [field]: all[field] });
      }
    }
  });
});

describe('entries', () => {
  const FORMS = 'lastEntryData lastEntryString lastEntryJson';

  test.each<[string, string | Buffer, string | null, unknown]>([
    ['empty', '', '', null],
    ['text', 'é漢😀\u0000', 'é漢😀\u0000', null],
    ['JSON', ' [1.5, "é", {}] ', ' [1.5, "é", {}] ', [1.5, 'é', {}]],
    ['JSON null', 'null', 'null', null],
    ['JSON that does not parse', '{"a":', '{"a":', null],
    ['no UTF-8', Buffer.from([0x7b, 0xff, 0x7d]), null, null],
    ['an unfinished character', Buffer.from([0xe6, 0xbc]), null, null],
  ])('%s', async (_, payload, lastEntryString, lastEntryJson) => {
    await add('default:s', payload);
    const expected = { lastEntryData: base64(payload), lastEntryString, lastEntryJson };
    expect(await stream('s', FORMS)).toEqual(expected);
  });

  test('JSON that nests deeper than anybody can print is null, and spoils nothing else', async () => {
    const deep = `${'['.repeat(200_000)}${']'.repeat(200_000)}`;
    await add('default:deep', deep);
    await add('default:flat', '[1]');
    await fixture.redis.client.set(':stream:meta:default:deep', `{"a":${deep}}`);
    expect(await fixture.data('{ streams { lastEntryJson meta } }')).toEqual({
      streams: [
        { lastEntryJson: null, meta: {} },
        { lastEntryJson: [1], meta: {} },
      ],
    });
  });

  test('JSON that would take long to hand on is null, and its text is there', async () => {
    const many = `[${Array(200_000).fill('{}').join(',')}]`;
    const few = `[${Array(200_000).fill('1').join(',')}]`;
    await add('default:many', many);
    await add('default:few', few);
    expect(await stream('many', 'lastEntryString lastEntryJson')).toEqual({
      lastEntryString: many,
      lastEntryJson: null,
    });
    expect(await stream('few', 'lastEntryJson')).toEqual({ lastEntryJson: Array(200_000).fill(1) });
  });

  test('of 5 MB, in every form', async () => {
    const items = Array.from({ length: 10 }, (_, index) => `${index}`.repeat(MIB / 2));
    const payload = JSON.stringify(items);
    await add('default:large', payload);
    expect(await stream('large', FORMS)).toEqual({
      lastEntryData: base64(payload),
      lastEntryString: payload,
      lastEntryJson: items,
    });
    const bytes = Buffer.alloc(5 * MIB, 0xfe);
    await add('default:binary', bytes);
    expect(await stream('binary', FORMS)).toEqual({
      lastEntryData: base64(bytes),
      lastEntryString: null,
      lastEntryJson: null,
    });
  });

  test('of other writers are JSON objects of their fields', async () => {
    const { client } = fixture.redis;
    await client.xadd('sensor', '*', 'temperature', '21.5', 'é', Buffer.from([0xff]));
    expect(await stream('sensor', FORMS)).toEqual({
      lastEntryData: base64('{"temperature":"21.5","é":{"base64":"/w=="}}'),
      lastEntryString: '{"temperature":"21.5","é":{"base64":"/w=="}}',
      lastEntryJson: { temperature: '21.5', é: { base64: '/w==' } },
    });
  });

  test('their times are ISO 8601 with milliseconds, whatever the id', async () => {
    const times = {
      '0-1': '1970-01-01T00:00:00.000Z',
      '1-0': '1970-01-01T00:00:00.001Z',
      '8640000000000000-0': '+275760-09-13T00:00:00.000Z',
      // No date that ISO 8601 has a year for.
      '8640000000000001-0': '',
      '18446744073709551615-18446744073709551615': '',
    };
    for (const [id, time] of Object.entries(times)) {
      await add(`default:${id}`, 'x', id);
      expect(await stream(id, 'firstEntryTime lastEntryTime lastEntryId')).toEqual({
        firstEntryTime: time,
        lastEntryTime: time,
        lastEntryId: id,
      });
    }
  });

  test('counts beyond 32 bits', async () => {
    await add('default:s', 'x', '5-0');
    await fixture.redis.client.call(
      'XSETID',
      'default:s',
      '9-0',
      'ENTRIESADDED',
      '5000000000',
      'MAXDELETEDID',
      '4-0',
    );
    for (const fields of ['entriesAdded', 'entriesAdded lastEntryString']) {
      expect(await stream('s', fields)).toMatchObject({ entriesAdded: 5_000_000_000 });
    }
  });
});

describe('names', () => {
  const NAMES = [
    'a:b',
    'a::b:',
    'é漢😀',
    'a*b',
    'a?b',
    '[ab]',
    'a\\b',
    'quote"\'',
    'a b',
    'a/b%2F',
    '{tag}',
    '__proto__',
    'x'.repeat(500),
  ];

  test.each(NAMES)('%s', async (name) => {
    await add(`default:${name}`, 'mine');
    await add('default:aXb', 'another');
    expect(await stream(name, 'id lastEntryString')).toEqual({ id: name, lastEntryString: 'mine' });
    expect(await stream(`default:${name}`, 'id lastEntryString')).toEqual({
      id: `default:${name}`,
      lastEntryString: 'mine',
    });
    const variables = { name, key: `default:${name}` };
    const { device, streamIds, streams } = await fixture.data(
      `query ($name: String!, $key: String!) {
        device { stream(streamId: $name) { id lastEntryString } streamIds }
        streamIds(prefix: $key)
        streams(prefix: $key) { id lastEntryString }
      }`,
      variables,
    );
    expect(device.stream).toEqual({ id: name, lastEntryString: 'mine' });
    expect(device.streamIds).toEqual([name, 'aXb'].sort());
    expect(streamIds).toEqual([`default:${name}`]);
    expect(streams).toEqual([{ id: `default:${name}`, lastEntryString: 'mine' }]);
  });

  test.each(['', 'a+b', 'new\nline', '\u0000', 'x'.repeat(513)])(
    '%j is refused, of one stream and of many',
    async (id) => {
      const document = 'query ($id: String!) { stream(id: $id) { id } }';
      expect(await fixture.refusal(document, { id })).toMatch(/^bad_name: the stream id /);
      expect(
        await fixture.refusal('query ($id: String!) { streams(ids: ["x", $id]) { id } }', { id }),
      ).toMatch(/^bad_name: /);
      expect(
        await fixture.refusal('query ($id: String!) { device { stream(streamId: $id) { id } } }', { id }),
      ).toMatch(/^bad_name: /);
    },
  );

  test.each(['', 'a:b', 'a+b', 'x'.repeat(513)])('the device %j is refused', async (id) => {
    expect(await fixture.refusal('query ($id: String!) { device(id: $id) { id } }', { id })).toMatch(
      /^bad_name: the device id /,
    );
    expect(await fixture.refusal('query ($id: String!) { devices(ids: ["x", $id]) { id } }', { id })).toMatch(
      /^bad_name: /,
    );
  });
});

describe('a bare id', () => {
  test('is that very key where it is a stream, else one of the default device', async () => {
    await add('both', 'the key');
    await add('default:both', 'the device');
    await add('default:mine', 'mine');
    await add('cam:x', 'of cam');
    await add('default:cam:y', 'named as if of cam');
    await fixture.redis.client.set('text', 'no stream');
    await add('default:text', 'a stream');
    const ids = ['mine', 'both', 'default:both', 'cam:x', 'cam:y', 'text', 'none'];
    const { streams } = await fixture.data(
      'query ($ids: [String!]) { streams(ids: $ids) { id lastEntryString error } }',
      { ids },
    );
    expect(streams).toEqual([
      { id: 'mine', lastEntryString: 'mine', error: '' },
      { id: 'both', lastEntryString: 'the key', error: '' },
      { id: 'default:both', lastEntryString: 'the device', error: '' },
      { id: 'cam:x', lastEntryString: 'of cam', error: '' },
      { id: 'cam:y', lastEntryString: 'named as if of cam', error: '' },
      { id: 'text', lastEntryString: 'a stream', error: '' },
      { id: 'none', lastEntryString: '', error: 'no such key' },
    ]);
  });

  test('is that very key where it has metadata', async () => {
    await fixture.redis.client.set(':stream:meta:x', '{"of":"the key"}');
    await fixture.redis.client.set(':stream:meta:default:x', '{"of":"the device"}');
    await add('default:x', 'mine');
    expect(await stream('x', 'id meta error')).toEqual({
      id: 'x',
      meta: { of: 'the key' },
      error: 'no such key',
    });
    expect(await stream('default:x', 'meta')).toEqual({ meta: { of: 'the device' } });
  });

  test('asked for again and again is told each time, in the order asked for', async () => {
    await add('default:a', '1');
    const { streams } = await fixture.data(
      '{ streams(ids: ["b", "a", "default:a", "a"]) { id lastEntryString } }',
    );
    expect(streams).toEqual([
      { id: 'b', lastEntryString: '' },
      { id: 'a', lastEntryString: '1' },
      { id: 'default:a', lastEntryString: '1' },
      { id: 'a', lastEntryString: '1' },
    ]);
  });

  test('of a system stream', async () => {
    await add(':event:x', 'e');
    expect(await stream(':event:x', 'id lastEntryString')).toEqual({ id: ':event:x', lastEntryString: 'e' });
    expect(
      await fixture.data('{ device(id: "cam") { stream(streamId: ":event:x") { lastEntryString } } }'),
    ).toEqual({
      device: { stream: { lastEntryString: 'e' } },
    });
  });
});

describe('listings', () => {
  beforeEach(async () => {
    for (const key of ['cam:b', 'cam:a', 'default:x', ':event:z', 'plain', 'cam:sub:c', 'é:1'])
      await add(key, key);
    for (const key of ['cam:only', 'cam:a'])
      await fixture.redis.client.set(`:stream:meta:${key}`, `{"of":"${key}"}`);
    await fixture.redis.client.set('cam:string', 'no stream');
  });

  const ALL = [':event:z', 'cam:a', 'cam:b', 'cam:only', 'cam:sub:c', 'default:x', 'plain', 'é:1'];

  test('of everything, sorted by whole keys', async () => {
    const { streams, streamIds } = await fixture.data(
      '{ streamIds streams { id lastEntryString meta error } }',
    );
    expect(streamIds).toEqual(ALL);
    expect(streams).toEqual(
      ALL.map((id) => ({
        id,
        lastEntryString: id === 'cam:only' ? '' : id,
        meta: ['cam:only', 'cam:a'].includes(id) ? { of: id } : {},
        error: id === 'cam:only' ? 'no such key' : '',
      })),
    );
  });

  test.each<[args: string, expected: string[]]>([
    ['(match: "cam:*")', ['cam:a', 'cam:b', 'cam:only', 'cam:sub:c']],
    ['(match: "*:[ab]")', ['cam:a', 'cam:b']],
    ['(match: "*o*")', ['cam:only']],
    ['(match: null)', ALL],
    ['(match: "")', []],
    ['(prefix: "cam:")', ['cam:a', 'cam:b', 'cam:only', 'cam:sub:c']],
    ['(prefix: "cam:", match: "?")', ['cam:a', 'cam:b']],
    ['(prefix: "*")', []],
    ['(prefix: ":")', [':event:z']],
  ])('%s', async (args, expected) => {
    const { streamIds, streams } = await fixture.data(`{ streamIds${args} streams${args} { id } }`);
    expect(streamIds).toEqual(expected);
    expect(streams).toEqual(expected.map((id) => ({ id })));
  });

  test('of those that have metadata', async () => {
    expect(
      await fixture.data('{ a: streamIds(searchMeta: true) b: streamIds(searchMeta: true, match: "*:o*") }'),
    ).toEqual({
      a: ['cam:a', 'cam:only'],
      b: ['cam:only'],
    });
  });

  test('of a device, whatever it is nested in', async () => {
    await fixture.data('mutation { a: connectDevice(deviceId: "cam") b: connectDevice(deviceId: "none") }');
    const { devices, device, other } = await fixture.data(`{
      devices { id streamIds streams { id lastEntryString meta } }
      device { streamIds }
      other: device(id: "é") { streams { id lastEntryString } }
    }`);
    expect(devices).toEqual([
      {
        id: 'cam',
        streamIds: ['a', 'b', 'only', 'sub:c'],
        streams: [
          { id: 'a', lastEntryString: 'cam:a', meta: { of: 'cam:a' } },
          { id: 'b', lastEntryString: 'cam:b', meta: {} },
          { id: 'only', lastEntryString: '', meta: { of: 'cam:only' } },
          { id: 'sub:c', lastEntryString: 'cam:sub:c', meta: {} },
        ],
      },
      { id: 'none', streamIds: [], streams: [] },
    ]);
    expect(device).toEqual({ streamIds: ['x'] });
    expect(other).toEqual({ streams: [{ id: '1', lastEntryString: 'é:1' }] });
  });

  test('ids and a search exclude one another', async () => {
    for (const args of ['ids: ["x"], match: "*"', 'sids: [], prefix: "cam"']) {
      expect(await fixture.refusal(`{ streams(${args}) { id } }`)).toBe(
        'bad_parameter: match and prefix are for listings without ids',
      );
    }
  });

  test('of no ids are empty', async () => {
    expect(await fixture.data('{ streams(ids: []) { id } devices(ids: []) { id } }')).toEqual({
      streams: [],
      devices: [],
    });
  });

  test('an empty database', async () => {
    await fixture.redis.client.flushdb();
    expect(await fixture.data('{ streamIds streams { id } devices { id } device { streamIds } }')).toEqual({
      streamIds: [],
      streams: [],
      devices: [],
      device: { streamIds: [] },
    });
  });
});

describe('one document may ask in many ways', () => {
  test('fragments, directives, aliases and the same field twice', async () => {
    await add('default:s', '{"a":1}');
    await fixture.redis.client.set(':stream:meta:default:s', '{"m":1}');
    const document = `query ($yes: Boolean!, $no: Boolean!) {
      stream(id: "s") { ...Counts first: firstEntryJson ... on Stream { text: firstEntryString } }
      stream(id: "s") { meta @include(if: $yes) lastEntryData @skip(if: $yes) lastEntryJson @include(if: $no) }
      other: stream(id: "s") { ... @include(if: $no) { lastEntryData } id }
      device { stream(streamId: "s") { ...Counts } streams { lastEntryString } }
    }
    fragment Counts on Stream { length ...Times }
    fragment Times on Stream { __typename firstEntryTime error }`;
    const { stream: asked, other, device } = await fixture.data(document, { yes: true, no: false });
    expect(asked).toEqual({
      length: 1,
      __typename: 'Stream',
      firstEntryTime: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      error: '',
      first: { a: 1 },
      text: '{"a":1}',
      meta: { m: 1 },
    });
    expect(other).toEqual({ id: 's' });
    expect(device.stream).toMatchObject({ length: 1, error: '' });
    expect(device.streams).toEqual([{ lastEntryString: '{"a":1}' }]);
  });

  test('a field that fails leaves the others', async () => {
    const { data, errors } = await fixture.ask('{ a: streamIds b: devices(ids: ["x:y"]) { id } }');
    expect(data).toBeNull();
    expect(errors).toHaveLength(1);
    expect(errors![0]).toMatchObject({ path: ['b'], extensions: { code: 'bad_name' } });
  });
});
