/** What mutations change, and what they refuse. */
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { type GraphqlFixture, startGraphqlFixture } from '../support/graphql.js';
import { entriesIn, textsIn } from '../support/push-fixture.js';

const MAX_LENGTH = 100;

let fixture: GraphqlFixture;

beforeAll(async () => {
  fixture = await startGraphqlFixture({ REDIS_STREAM_MAXLEN: String(MAX_LENGTH) });
});

afterAll(() => fixture?.stop());

beforeEach(() => fixture.redis.client.flushdb());

const keys = async () => (await fixture.redis.client.keys('*')).sort();

describe('a device', () => {
  const CONNECT = 'mutation ($id: String!, $meta: JSON) { connectDevice(deviceId: $id, meta: $meta) }';
  const DISCONNECT = 'mutation ($id: String!) { disconnectDevice(deviceId: $id) }';
  const UPDATE = 'mutation ($id: String!, $meta: JSON!) { updateDeviceMeta(deviceId: $id, meta: $meta) }';

  const events = async (name: string) =>
    (await textsIn(fixture.redis.client, `:event:device.${name}`)).map((text) => JSON.parse(text) as unknown);
  const devices = () =>
    fixture.data('{ connected: devices { id meta } seen: devices(includeAll: true) { id meta } }');

  test('from its first connection to its last', async () => {
    const meta = { model: 'é漢😀', fps: 11.2, tags: [], nested: { a: [{}] } };
    const variables = { id: 'cam', meta };
    expect(await fixture.data(CONNECT, variables)).toEqual({
      connectDevice: {
        connection_status_changed: true,
        connected: true,
        is_new_device: true,
        meta_set: true,
        'fired:device.connected': true,
        'fired:device.meta': true,
      },
    });
    expect(await fixture.data(CONNECT, variables)).toEqual({
      connectDevice: {
        connection_status_changed: false,
        connected: true,
        is_new_device: false,
        meta_set: false,
        'fired:device.connected': false,
        'fired:device.meta': false,
      },
    });
    expect(await devices()).toEqual({ connected: [{ id: 'cam', meta }], seen: [{ id: 'cam', meta }] });
    expect(await fixture.data(UPDATE, { id: 'cam', meta: { fps: 1 } })).toEqual({
      updateDeviceMeta: { is_new_device: false, meta_set: true, 'fired:device.meta': true },
    });
    expect(await fixture.data(DISCONNECT, { id: 'cam' })).toEqual({
      disconnectDevice: { connection_status_changed: true, connected: false, 'fired:device.connected': true },
    });
    expect(await fixture.data(DISCONNECT, { id: 'cam' })).toEqual({
      disconnectDevice: {
        connection_status_changed: false,
        connected: false,
        'fired:device.connected': false,
      },
    });
    expect(await devices()).toEqual({ connected: [], seen: [{ id: 'cam', meta: { fps: 1 } }] });
    expect(await events('connected')).toEqual([
      { device_id: 'cam', connected: true, meta },
      { device_id: 'cam', connected: false, meta: { fps: 1 } },
    ]);
    expect(await events('meta')).toEqual([
      { device_id: 'cam', meta },
      { device_id: 'cam', meta: { fps: 1 } },
    ]);
    expect(await keys()).toEqual([
      ':devices:meta:cam',
      ':devices:seen',
      ':event:device.connected',
      ':event:device.meta',
    ]);
  });

  test('its events can be read as any stream', async () => {
    await fixture.data(CONNECT, { id: 'cam' });
    const { stream } = await fixture.data(
      '{ stream(id: ":event:device.connected") { length lastEntryJson } }',
    );
    expect(stream).toEqual({ length: 1, lastEntryJson: { device_id: 'cam', connected: true, meta: {} } });
    const response = await fetch(`${fixture.gateway.http}/data/:event:device.connected?last_entry_id=0`);
    expect(await response.json()).toEqual({ device_id: 'cam', connected: true, meta: {} });
  });

  test('its events are trimmed to REDIS_STREAM_MAXLEN', async () => {
    const steps = Array.from(
      { length: 90 },
      (_, index) => `a${index}: connectDevice(id: "cam", meta: {n: ${index}})
      b${index}: disconnectDevice(id: "cam")`,
    );
    for (let from = 0; from < steps.length; from += 30) {
      await fixture.data(`mutation { ${steps.slice(from, from + 30).join(' ')} }`);
      await fixture.data(`mutation { ${steps.slice(from, from + 30).join(' ')} }`);
    }
    for (const key of [':event:device.connected', ':event:device.meta']) {
      const length = await fixture.redis.client.xlen(key);
      expect(length).toBeGreaterThanOrEqual(MAX_LENGTH);
      // `~` keeps up to a node of the radix tree more.
      expect(length).toBeLessThanOrEqual(MAX_LENGTH + 100);
    }
    expect((await events('meta')).at(-1)).toEqual({ device_id: 'cam', meta: { n: 89 } });
    expect(await fixture.redis.client.smembers(':devices:connected')).toEqual([]);
  });

  test('is looked at whether it was ever seen or not', async () => {
    expect(
      await fixture.data('{ device(id: "new") { id meta sids } devices(ids: ["b", "a", "b"]) { id meta } }'),
    ).toEqual({
      device: { id: 'new', meta: {}, sids: [] },
      devices: [
        { id: 'b', meta: {} },
        { id: 'a', meta: {} },
        { id: 'b', meta: {} },
      ],
    });
    expect(await keys()).toEqual([]);
  });

  test.each(['[]', '"text"', '1', '1.5', 'true', '[{a: 1}]'])('its metadata must not be %s', async (meta) => {
    const refusal = 'bad_metadata: metadata must be a JSON object';
    expect(await fixture.refusal(`mutation { connectDevice(id: "cam", meta: ${meta}) }`)).toBe(refusal);
    expect(await fixture.refusal(`mutation { updateDeviceMeta(id: "cam", meta: ${meta}) }`)).toBe(refusal);
    expect(
      await fixture.refusal(`mutation ($meta: JSON!) { updateStreamMeta(sid: "x", meta: $meta) }`, {
        meta: JSON.parse(meta.replace('a:', '"a":')),
      }),
    ).toBe(refusal);
    expect(await keys()).toEqual([]);
  });

  test('metadata of null is none where it may be missing, and refused where it may not', async () => {
    await fixture.data('mutation { connectDevice(id: "cam", meta: null) }');
    expect(await fixture.redis.client.exists(':devices:meta:cam')).toBe(0);
    for (const field of [
      'updateDeviceMeta(id: "cam", meta: null)',
      'updateStreamMeta(sid: "x", meta: null)',
    ]) {
      expect((await fixture.ask(`mutation { ${field} }`)).errors![0]!.message).toMatch(/"JSON!"/);
    }
  });

  test.each(['a:b', 'a+b', ''])('%j is no device', async (id) => {
    for (const document of [CONNECT, DISCONNECT]) {
      expect(await fixture.refusal(document, { id })).toMatch(/^bad_name: the device id /);
    }
    expect(await fixture.refusal(UPDATE, { id, meta: {} })).toMatch(/^bad_name: the device id /);
    expect(await keys()).toEqual([]);
  });
});

describe("a stream's metadata", () => {
  const UPDATE = `mutation ($id: String!, $meta: JSON!, $device: String! = "default", $update: Boolean! = false) {
    updateStreamMeta(streamId: $id, meta: $meta, deviceId: $device, update: $update)
  }`;
  const update = (id: string, meta: object, more = {}) => fixture.data(UPDATE, { id, meta, ...more });
  const stored = async (key: string) =>
    JSON.parse((await fixture.redis.client.get(`:stream:meta:${key}`)) ?? 'null');

  const HARD = {
    list: [],
    object: {},
    nested: [[{}], []],
    float: 11.2,
    one: 1.0,
    é: '漢😀',
    nothing: null,
    '': '',
  };

  test('is replaced, and merged with update: true', async () => {
    expect(await update('x', HARD)).toEqual({ updateStreamMeta: { meta_set: true } });
    expect(await stored('default:x')).toEqual(HARD);
    await update('x', { added: [] }, { update: true });
    expect(await stored('default:x')).toEqual({ ...HARD, added: [] });
    expect(await fixture.data('{ stream(id: "x") { meta } }')).toEqual({
      stream: { meta: { ...HARD, added: [] } },
    });
    await update('x', {});
    expect(await stored('default:x')).toEqual({});
  });

  test('written as a literal is what is stored', async () => {
    await fixture.data(
      `mutation ($n: Int!) {
      updateStreamMeta(sid: "x", meta: {a: [], b: {}, c: [1, 2.5, -1e3, true, null, "é\\u6f22", ENUM], d: {e: [{f: $n}]}})
    }`,
      { n: 7 },
    );
    expect(await stored('default:x')).toEqual({
      a: [],
      b: {},
      c: [1, 2.5, -1000, true, null, 'é漢', 'ENUM'],
      d: { e: [{ f: 7 }] },
    });
  });

  test.each([2, 20])('%i writers that merge at once lose nothing', async (writers) => {
    await update('x', { before: [] });
    const merges = Array.from({ length: writers }, (_, writer) =>
      update('x', { [`w${writer}`]: [] }, { update: true }),
    );
    await Promise.all(merges);
    expect(Object.keys(await stored('default:x'))).toHaveLength(1 + writers);
    expect(await stored('default:x')).toMatchObject({ before: [] });
  });

  test('one document that merges many times loses nothing', async () => {
    const steps = Array.from(
      { length: 50 },
      (_, step) => `s${step}: updateStreamMeta(sid: "x", meta: {k${step}: []}, update: true)`,
    );
    await fixture.data(`mutation { ${steps.join(' ')} }`);
    expect(Object.keys(await stored('default:x'))).toHaveLength(50);
  });

  test('is of the stream that the id means', async () => {
    await fixture.redis.client.xadd('plain', '*', 'd', '1');
    await fixture.redis.client.xadd('cam:x', '*', 'd', '1');
    await fixture.redis.client.xadd(':event:y', '*', 'd', '1');
    for (const id of ['plain', 'cam:x', 'cam:none', ':event:y', 'x']) await update(id, { id });
    await update('x', { id: 'x of robot' }, { device: 'robot' });
    await update('cam:x', { id: 'cam:x of robot' }, { device: 'robot' });
    expect(await keys()).toEqual([
      ':event:y',
      ':stream:meta::event:y',
      ':stream:meta:cam:x',
      ':stream:meta:default:cam:none',
      ':stream:meta:default:x',
      ':stream:meta:plain',
      ':stream:meta:robot:cam:x',
      ':stream:meta:robot:x',
      'cam:x',
      'plain',
    ]);
    expect(await fixture.data('{ device(id: "robot") { streams { id meta error } } }')).toEqual({
      device: {
        streams: [
          { id: 'cam:x', meta: { id: 'cam:x of robot' }, error: 'no such key' },
          { id: 'x', meta: { id: 'x of robot' }, error: 'no such key' },
        ],
      },
    });
  });

  test('that was written by its bare id is read by its bare id', async () => {
    await update('x', { a: 1 });
    await update('x', { b: 1 }, { update: true });
    expect(
      await fixture.data('{ streams(sids: ["x"]) { meta } device { stream(streamId: "x") { meta } } }'),
    ).toEqual({
      streams: [{ meta: { a: 1, b: 1 } }],
      device: { stream: { meta: { a: 1, b: 1 } } },
    });
  });

  test('that nests too deep or is too large is refused', async () => {
    const deep = `{"a":${'['.repeat(50_000)}${']'.repeat(50_000)}}`;
    const response = await fetch(`${fixture.gateway.http}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: `{"query": ${JSON.stringify(UPDATE)}, "variables": {"id": "x", "meta": ${deep}}}`,
    });
    // Before it is parsed.
    expect([response.status, await response.text()]).toEqual([
      expect.any(Number),
      expect.stringMatching(/nests/),
    ]);
    expect(await keys()).toEqual([]);
    const large = { a: 'x'.repeat(700_000) };
    await update('x', large);
    expect(await fixture.refusal(UPDATE, { id: 'x', meta: { b: large.a }, update: true })).toMatch(
      /^bad_metadata: /,
    );
    expect(await stored('default:x')).toEqual(large);
  });
});

describe('deleteStream', () => {
  const remove = (args: string) => fixture.data(`mutation { deleteStream(${args}) }`);

  test('answers what it deleted', async () => {
    const { client } = fixture.redis;
    await client.xadd('default:x', '*', 'd', '1');
    await client.set(':stream:meta:default:x', '{}');
    await client.xadd('default:xy', '*', 'd', '1');
    const answer = (data: boolean, meta: boolean) => ({
      deleteStream: { data_deleted: data, meta_deleted: meta, stream_deleted: data || meta },
    });
    expect(await remove('streamId: "x"')).toEqual(answer(true, true));
    expect(await remove('streamId: "x"')).toEqual(answer(false, false));
    await client.set(':stream:meta:default:x', '{}');
    expect(await remove('streamId: "x"')).toEqual(answer(false, true));
    await client.xadd('default:x', '*', 'd', '1');
    expect(await remove('streamId: "default:x"')).toEqual(answer(true, false));
    expect(await keys()).toEqual(['default:xy']);
  });

  test('of another device', async () => {
    const { client } = fixture.redis;
    for (const key of ['cam:x', 'default:x', 'x']) await client.xadd(key, '*', 'd', '1');
    await remove('streamId: "x", deviceId: "cam"');
    expect(await keys()).toEqual(['default:x', 'x']);
    // A bare id is that very key first.
    await remove('streamId: "x"');
    expect(await keys()).toEqual(['default:x']);
    await remove('streamId: "x"');
    expect(await keys()).toEqual([]);
  });

  test('takes no glob', async () => {
    for (const key of ['default:a*', 'default:ab']) await fixture.redis.client.xadd(key, '*', 'd', '1');
    await remove('streamId: "a*"');
    expect(await keys()).toEqual(['default:ab']);
  });

  test('leaves what is no stream', async () => {
    await fixture.redis.client.set('default:x', 'text');
    expect(await fixture.refusal('mutation { deleteStream(streamId: "x") }')).toBe(
      'wrong_type: the key is a string, not a stream',
    );
    for (const key of [':devices:seen', ':stream:meta:default:x']) {
      await fixture.redis.client.del(key);
      await fixture.redis.client.sadd(key, 'x');
      expect(await fixture.refusal(`mutation { deleteStream(streamId: "${key}") }`)).toMatch(/^wrong_type: /);
    }
    expect(await keys()).toEqual([':devices:seen', ':stream:meta:default:x', 'default:x']);
  });

  test('of a system stream', async () => {
    await fixture.redis.client.xadd(':event:x', '*', 'd', '1');
    expect(await remove('streamId: ":event:x"')).toMatchObject({ deleteStream: { data_deleted: true } });
  });
});

describe('flush', () => {
  test('is refused on a Redis that is not of the gateway', async () => {
    await fixture.redis.client.set('precious', '1');
    expect(await fixture.refusal('mutation { flush }')).toBe(
      'not_allowed: flush is not allowed; set ALLOW_FLUSH=1 to allow it',
    );
    expect(await keys()).toEqual(['precious']);
  });

  test('goes by ALLOW_FLUSH', async () => {
    const [allowed, refused] = await Promise.all(
      ['1', '0'].map((ALLOW_FLUSH) => startGraphqlFixture({ ALLOW_FLUSH })),
    );
    onTestFinished(async () => {
      await Promise.all([allowed!.stop(), refused!.stop()]);
    });
    for (const each of [allowed!, refused!]) await each.data('mutation { connectDevice(id: "cam") }');
    expect(await allowed!.data('mutation { flush }')).toEqual({ flush: 3 });
    expect(await allowed!.redis.client.dbsize()).toBe(0);
    expect(await refused!.refusal('mutation { flush }')).toMatch(/^not_allowed: /);
    expect(await refused!.redis.client.dbsize()).toBe(3);
  });
});

test('mutations of one document run one after the other', async () => {
  const { a, b, c, d } = await fixture.data(`mutation {
    a: connectDevice(id: "cam")
    b: disconnectDevice(id: "cam")
    c: connectDevice(id: "cam")
    d: deleteStream(streamId: ":event:device.connected")
  }`);
  expect([a.connected, b.connection_status_changed, c.connected, c.is_new_device]).toEqual([
    true,
    true,
    true,
    false,
  ]);
  expect(d.data_deleted).toBe(true);
  expect(await entriesIn(fixture.redis.client, ':event:device.connected')).toEqual([]);
});
