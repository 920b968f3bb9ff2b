/** Every query, mutation and subscription of the seed as it is written there, with its variables declared. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type GraphqlFixture, startGraphqlFixture } from '../support/graphql.js';
import { GraphqlSocket } from '../support/graphql-socket.js';

const CONNECTED_AND_SEEN = `query GetDevices {
connected: devices {
id # the name of the device
}
seen: devices(include_all: true) {
id
}
}`;

const DEVICE_STREAMS = `query GetDevices {
devices {
streamIds(device_id: $id) # just return the names of the streams
streams(device_id: $id) { # return the full metadata for all streams
streamId
firstEntryId
lastEntryId
length
}
}
}`;

const CONNECT = `mutation {
connectDevice(id: $id, meta: $meta)
}`;

const DISCONNECT = `mutation {
disconnectDevice(id: $id)
}`;

const STREAM_INFO = `query GetStreams {
devices {
sids # get just the names without querying everything else
streams {
# redis XINFO STREAM information
id
entriesAdded
firstEntryId
firstEntryData
firstEntryString
firstEntryJson
firstEntryTime
lastEntryId
lastEntryData
lastEntryTime
lastGeneratedId
maxDeletedEntryId
groups
length
radixTreeKeys
radixTreeNodes
recordedFirstEntryId
# error message for XINFO STREAMS
error
# user-defined stream metadata
meta
}
}
}`;

const ALL_STREAMS = `query Streams {
streams {
id
}
}`;

const UPDATE_STREAM_META = `mutation {
updateStreamMeta(sid: $id, meta: $meta)
}`;

const STREAM_METAS = `{
streams(sids: $sids) {
sid
meta
}
}`;

const FOLLOW = `subscription DataSubscription {
data(streamIds: $sids) {
streamId
time
data # base64 encoded data
string # read data as utf-8 text
json
}
}`;

/** The seed's document with its variables declared, in every type that a client might take them for. */
function declare(document: string, variables: Record<string, string>): string {
  const declared = Object.entries(variables).map(([name, type]) => `$${name}: ${type}`);
  const [, operation = 'query', name = ''] = /^(\w+)?( \w+)? ?\{/.exec(document)!;
  return `${operation}${name}(${declared.join(', ')}) ${document.slice(document.indexOf('{'))}`;
}

let fixture: GraphqlFixture;

beforeAll(async () => {
  fixture = await startGraphqlFixture();
});

afterAll(() => fixture?.stop());

async function push(sid: string, payload: string | Uint8Array<ArrayBuffer>, query = ''): Promise<string> {
  const response = await fetch(`${fixture.gateway.http}/data/${sid}?${query}`, {
    method: 'POST',
    body: payload,
  });
  const [id] = (await response.json()) as [string];
  return id;
}

describe('the seed, from top to bottom', () => {
  test('devices: none so far', async () => {
    expect(await fixture.data(CONNECTED_AND_SEEN)).toEqual({ connected: [], seen: [] });
  });

  test.each(['String', 'String!'])('connectDevice with $id: %s', async (type) => {
    const variables = { id: 'my-device', meta: { parameterA: 11.2, parameterB: 'xyz' } };
    const { connectDevice } = await fixture.data(declare(CONNECT, { id: type, meta: 'JSON' }), variables);
    const isFirst = type === 'String';
    expect(connectDevice).toEqual({
      connection_status_changed: isFirst,
      connected: true,
      is_new_device: isFirst,
      meta_set: isFirst,
      'fired:device.connected': isFirst,
      'fired:device.meta': isFirst,
    });
    expect(await fixture.data('{ device(id: "my-device") { id meta } }')).toEqual({ device: variables });
  });

  test('devices: connected and seen', async () => {
    await fixture.data(declare(CONNECT, { id: 'String', meta: 'JSON' }), { id: 'other', meta: {} });
    expect(await fixture.data(CONNECTED_AND_SEEN)).toEqual({
      connected: [{ id: 'my-device' }, { id: 'other' }],
      seen: [{ id: 'my-device' }, { id: 'other' }],
    });
  });

  test('a device that is disconnected remains in seen', async () => {
    const disconnect = declare(DISCONNECT, { id: 'String' });
    expect(await fixture.data(disconnect, { id: 'other' })).toEqual({
      disconnectDevice: {
        connection_status_changed: true,
        connected: false,
        'fired:device.connected': true,
      },
    });
    expect(await fixture.data(CONNECTED_AND_SEEN)).toEqual({
      connected: [{ id: 'my-device' }],
      seen: [{ id: 'my-device' }, { id: 'other' }],
    });
  });

  test('the streams of one device, without its prefix', async () => {
    const first = await push('glf', '1', 'device_id=my-device');
    const last = await push('glf', '2', 'device_id=my-device');
    await push('glf', 'of the default device');
    const only = await push('blah', 'x', 'device_id=my-device');
    expect(await fixture.data(declare(DEVICE_STREAMS, { id: 'String' }), { id: 'my-device' })).toEqual({
      devices: [
        {
          streamIds: ['blah', 'glf'],
          streams: [
            { streamId: 'blah', firstEntryId: only, lastEntryId: only, length: 1 },
            { streamId: 'glf', firstEntryId: first, lastEntryId: last, length: 2 },
          ],
        },
      ],
    });
  });

  test("GetStreams: every field of a device's streams", async () => {
    const [first, last] = [
      await push('info', '{"a": [1.5]}', 'device_id=my-device'),
      await push('info', new Uint8Array([0xff, 0]), 'device_id=my-device'),
    ];
    const { devices } = await fixture.data(STREAM_INFO);
    expect(devices).toHaveLength(1);
    expect(devices[0].sids).toEqual(['blah', 'glf', 'info']);
    expect(devices[0].streams.at(-1)).toEqual({
      id: 'info',
      entriesAdded: 2,
      firstEntryId: first,
      firstEntryData: Buffer.from('{"a": [1.5]}').toString('base64'),
      firstEntryString: '{"a": [1.5]}',
      firstEntryJson: { a: [1.5] },
      firstEntryTime: new Date(Number(first.split('-')[0])).toISOString(),
      lastEntryId: last,
      lastEntryData: '/wA=',
      lastEntryTime: new Date(Number(last.split('-')[0])).toISOString(),
      lastGeneratedId: last,
      maxDeletedEntryId: '0-0',
      groups: 0,
      length: 2,
      radixTreeKeys: 1,
      radixTreeNodes: 2,
      recordedFirstEntryId: first,
      error: '',
      meta: {},
    });
  });

  test('all streams retain their device, and system event streams are listed', async () => {
    expect(await fixture.data(ALL_STREAMS)).toEqual({
      streams: [
        { id: ':event:device.connected' },
        { id: ':event:device.meta' },
        { id: 'default:glf' },
        { id: 'my-device:blah' },
        { id: 'my-device:glf' },
        { id: 'my-device:info' },
      ],
    });
  });

  test("a stream's metadata, written and read by its bare id", async () => {
    const variables = { id: 'glf', meta: { format: 'mp4' } };
    expect(
      await fixture.data(declare(UPDATE_STREAM_META, { id: 'String', meta: 'JSON!' }), variables),
    ).toEqual({ updateStreamMeta: { meta_set: true } });
    expect(await fixture.data(declare(STREAM_METAS, { sids: '[String!]' }), { sids: ['glf'] })).toEqual({
      streams: [{ sid: 'glf', meta: { format: 'mp4' } }],
    });
    expect(await fixture.redis.client.get(':stream:meta:default:glf')).toBe('{"format":"mp4"}');
  });

  test('entries as they come', async () => {
    const socket = await GraphqlSocket.open(fixture.gateway);
    const following = socket.run<{ data: unknown }>(declare(FOLLOW, { sids: '[String!]!' }), {
      sids: ['glf'],
    });
    // A cursor at `$` exists once the subscription is followed.
    await expect.poll(() => fixture.gateway.metric('followed_streams')).toBe(1);
    const id = await push('glf', '{"format": "mp4"}');
    expect(await following.next()).toEqual({
      data: {
        streamId: 'glf',
        time: id,
        data: Buffer.from('{"format": "mp4"}').toString('base64'),
        string: '{"format": "mp4"}',
        json: { format: 'mp4' },
      },
    });
    await socket.close();
  });
});

/** A field with some arguments; an empty one is none. */
function call(field: string, ...args: string[]): string {
  const given = args.filter((arg) => arg !== '').join(', ');
  return given === '' ? field : `${field}(${given})`;
}

/** Arguments that have an alias, and a document for whichever of them are given. */
const ALIASED_ARGUMENTS: readonly {
  readonly name: string;
  readonly alias: string;
  readonly value: string;
  readonly isRequired: boolean;
  readonly of: string;
  readonly document: (args: string) => string;
}[] = [
  {
    ...{ of: 'devices', name: 'includeAll', alias: 'include_all', value: 'true', isRequired: false },
    document: (args) => `{ ${call('devices', args)} { id } }`,
  },
  {
    ...{ of: 'streams', name: 'ids', alias: 'sids', value: '["glf", "none"]', isRequired: false },
    document: (args) => `{ ${call('streams', args)} { id } }`,
  },
  ...['connectDevice', 'disconnectDevice'].map((of) => ({
    ...{ of, name: 'deviceId', alias: 'id', value: '"aliased"', isRequired: true },
    document: (args: string) => `mutation { ${call(of, args)} }`,
  })),
  {
    ...{ of: 'updateDeviceMeta', name: 'deviceId', alias: 'id', value: '"aliased"', isRequired: true },
    document: (args) => `mutation { ${call('updateDeviceMeta', args, 'meta: {a: 1}')} }`,
  },
  ...['sid', 'id'].map((alias) => ({
    ...{ of: 'updateStreamMeta', name: 'streamId', alias, value: '"aliased"', isRequired: true },
    document: (args: string) => `mutation { ${call('updateStreamMeta', args, 'meta: {a: 1}')} }`,
  })),
];

describe.each(ALIASED_ARGUMENTS)(
  '$of: the argument $name and its alias $alias',
  ({ name, alias, document, value, isRequired }) => {
    test('mean the same', async () => {
      const canonical = await fixture.data(document(`${name}: ${value}`));
      const aliased = await fixture.data(document(`${alias}: ${value}`));
      // A mutation changes something the first time, and not when it is repeated.
      const again = await fixture.data(document(`${name}: ${value}`));
      expect(Object.keys(aliased)).toEqual(Object.keys(canonical));
      expect(aliased).toEqual(again);
    });

    test('are refused together', async () => {
      expect(await fixture.refusal(document(`${name}: ${value}, ${alias}: ${value}`))).toBe(
        `bad_parameter: ${name} and ${alias} are names of the same argument: give one of them`,
      );
    });

    test('are given where the other is null', async () => {
      const canonical = await fixture.data(document(`${name}: ${value}, ${alias}: null`));
      expect(await fixture.data(document(`${name}: null, ${alias}: ${value}`))).toEqual(canonical);
    });

    test(isRequired ? 'must not both be missing' : 'may both be missing', async () => {
      for (const args of ['', `${name}: null`, `${name}: null, ${alias}: null`]) {
        if (!isRequired) await fixture.data(document(args));
        else {
          expect(await fixture.refusal(document(args))).toBe(
            `bad_parameter: the argument ${name} is missing`,
          );
        }
      }
    });
  },
);

test('updateStreamMeta: all three names at once are refused', async () => {
  const document = 'mutation { updateStreamMeta(streamId: "x", sid: "x", id: "x", meta: {}) }';
  expect(await fixture.refusal(document)).toBe(
    'bad_parameter: streamId and sid and id are names of the same argument: give one of them',
  );
});

describe('fields and their aliases', () => {
  test('Stream.id, streamId and sid', async () => {
    expect(await fixture.data('{ stream(id: "glf") { id streamId sid } }')).toEqual({
      stream: { id: 'glf', streamId: 'glf', sid: 'glf' },
    });
  });

  test('Device.streamIds and sids', async () => {
    expect(await fixture.data('{ device(id: "my-device") { streamIds sids } }')).toEqual({
      device: { streamIds: ['blah', 'glf', 'info'], sids: ['blah', 'glf', 'info'] },
    });
  });

  test('device_id turns to another device, which device(id:) does too', async () => {
    const { device, other } = await fixture.data(`{
      device { streamIds(device_id: "my-device") streams(device_id: "my-device") { id lastEntryString } }
      other: device(id: "my-device") { streamIds streams { id lastEntryString } }
    }`);
    expect(device).toEqual(other);
    expect(device.streamIds).toEqual(['blah', 'glf', 'info']);
  });

  test('device_id: null is this device', async () => {
    const { device } = await fixture.data(`{
      device(id: "my-device") {
        streamIds(device_id: null)
        streams(device_id: null) { id }
      }
    }`);
    expect(device).toEqual({
      streamIds: ['blah', 'glf', 'info'],
      streams: [{ id: 'blah' }, { id: 'glf' }, { id: 'info' }],
    });
  });

  test('a bad device_id is refused', async () => {
    for (const field of ['streamIds(device_id: "a:b")', 'streams(device_id: "a:b") { id }']) {
      expect(await fixture.refusal(`{ device { ${field} } }`)).toMatch(/^bad_name: /);
    }
  });
});
