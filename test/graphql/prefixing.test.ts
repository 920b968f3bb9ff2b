/** DISABLE_MULTI_DEVICE_PREFIXING=1: a stream's key is its id. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type GraphqlFixture, startGraphqlFixture } from '../support/graphql.js';
import { GraphqlSocket } from '../support/graphql-socket.js';

let fixture: GraphqlFixture;

beforeAll(async () => {
  fixture = await startGraphqlFixture({ DISABLE_MULTI_DEVICE_PREFIXING: '1' });
  for (const key of ['x', 'cam:y', 'default:z', ':event:e']) {
    await fixture.redis.client.xadd(key, '*', 'd', key);
  }
  await fixture.redis.client.set(':stream:meta:only', '{"a":1}');
});

afterAll(() => fixture?.stop());

test('listings', async () => {
  expect(await fixture.data('{ streamIds streams { id } }')).toEqual({
    streamIds: [':event:e', 'cam:y', 'default:z', 'only', 'x'],
    streams: [':event:e', 'cam:y', 'default:z', 'only', 'x'].map((id) => ({ id })),
  });
});

test("all streams are the default device's, and no other device has any", async () => {
  expect(
    await fixture.data(
      '{ device { streamIds streams { id lastEntryString } } cam: device(id: "cam") { sids } }',
    ),
  ).toEqual({
    device: {
      streamIds: ['cam:y', 'default:z', 'only', 'x'],
      streams: [
        { id: 'cam:y', lastEntryString: 'cam:y' },
        { id: 'default:z', lastEntryString: 'default:z' },
        { id: 'only', lastEntryString: '' },
        { id: 'x', lastEntryString: 'x' },
      ],
    },
    cam: { sids: [] },
  });
});

test('an id is the key', async () => {
  const { streams, device } = await fixture.data(`{
    streams(ids: ["x", "cam:y", "z", "only"]) { id lastEntryString error meta }
    device(id: "cam") { stream(streamId: "x") { lastEntryString } }
  }`);
  expect(streams).toEqual([
    { id: 'x', lastEntryString: 'x', error: '', meta: {} },
    { id: 'cam:y', lastEntryString: 'cam:y', error: '', meta: {} },
    { id: 'z', lastEntryString: '', error: 'no such key', meta: {} },
    { id: 'only', lastEntryString: '', error: 'no such key', meta: { a: 1 } },
  ]);
  expect(device.stream).toEqual({ lastEntryString: 'x' });
});

test('metadata and deletion', async () => {
  await fixture.data('mutation { updateStreamMeta(sid: "x", meta: {b: 1}, deviceId: "cam") }');
  expect(await fixture.redis.client.get(':stream:meta:x')).toBe('{"b":1}');
  await fixture.redis.client.xadd('gone', '*', 'd', '1');
  expect(await fixture.data('mutation { deleteStream(streamId: "gone", deviceId: "cam") }')).toEqual({
    deleteStream: { data_deleted: true, meta_deleted: false, stream_deleted: true },
  });
});

test('a subscription', async () => {
  const socket = await GraphqlSocket.open(fixture.gateway);
  const following = socket.run<{ data: unknown }>(
    'subscription { data(streamIds: ["x"], deviceId: "cam", lastEntryId: "0") { streamId string } }',
  );
  expect(await following.next()).toEqual({ data: { streamId: 'x', string: 'x' } });
  await socket.close();
});
