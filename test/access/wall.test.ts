/**
 * A token for a device is a wall: whatever its client asks for by another's names, it is refused or finds
 * nothing, and Redis is not asked for the other's keys. MONITOR tells what Redis is asked for.
 */
import { once } from 'node:events';
import type { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { type AccessFixture, allows, bearer, startAccessFixture } from '../support/access.js';
import type { GraphqlAnswer } from '../support/graphql.js';
import { GraphqlSocket } from '../support/graphql-socket.js';
import { FORM_TYPE, formBody } from '../support/http.js';
import { TestSocket } from '../support/socket.js';

const MINE = 'mine';
/** No other name has these letters, so that Redis is asked for its keys nowhere unseen. */
const THEIRS = 'theirs';
const ALL = allows('read', 'write', 'meta', 'admin');

const PLANS = {
  walled: { device: MINE, rights: ALL },
  /** No wall, but rights to one device alone. */
  limited: { rights: [{ device: MINE, actions: ['read', 'write', 'meta', 'admin'] as const }] },
  all: { rights: ALL },
};
type Name = 'walled' | 'limited';

let fixture: AccessFixture<keyof typeof PLANS>;
let monitor: Redis;
/** The commands that Redis was given. */
const commands: string[] = [];

beforeAll(async () => {
  fixture = await startAccessFixture(PLANS as never, { ALLOW_FLUSH: '1' });
  const { client } = fixture.redis;
  for (const device of [MINE, THEIRS, 'default']) {
    await client.xadd(`${device}:cam`, '1-0', 'd', `of ${device}`);
    await client.xadd(`${device}:only-${device}`, '1-0', 'd', `of ${device}`);
    await client.set(`:stream:meta:${device}:described`, JSON.stringify({ of: device }));
    await client.set(`:devices:meta:${device}`, JSON.stringify({ of: device }));
    await client.sadd(':devices:seen', device);
    await client.sadd(':devices:connected', device);
  }
  await client.xadd('bare', '1-0', 'd', 'of nobody');
  await client.xadd(':event:device.connected', '1-0', 'd', `{"device_id": "${THEIRS}"}`);
  monitor = await client.duplicate().monitor();
  monitor.on('error', () => {});
  monitor.on('monitor', (_time: string, args: string[]) => commands.push(JSON.stringify(args)));
});

afterAll(async () => {
  monitor?.disconnect();
  await fixture?.stop();
});

/** What Redis was asked meanwhile with a key of the other's in it. */
async function askedOfTheirs(work: () => Promise<unknown>): Promise<string[]> {
  const from = commands.length;
  await work();
  const mark = `mark-${from}-${Math.random()}`;
  const seen = once(monitor, 'monitor');
  await fixture.redis.client.echo(mark);
  await seen;
  while (!commands.some((command) => command.includes(mark))) await once(monitor, 'monitor');
  // The mutations' ids are arguments of scripts for one's own device.
  return commands.slice(from).filter((command) => command.includes(THEIRS));
}

const headers = (name: Name) => bearer(fixture.tokens[name]);

async function graphql<T = Record<string, unknown>>(name: Name, query: string): Promise<GraphqlAnswer<T>> {
  const response = await fetch(`${fixture.gateway.http}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers(name) },
    body: JSON.stringify({ query }),
  });
  return (await response.json()) as GraphqlAnswer<T>;
}

const codeOf = ({ errors }: GraphqlAnswer<unknown>) => errors?.[0]?.extensions?.code;

/** The status of a read or a push, and what was read. */
async function http(name: Name, method: string, path: string, body?: Buffer | string): Promise<string> {
  const response = await fetch(`${fixture.gateway.http}${path}`, {
    method,
    headers: { ...headers(name), ...(body instanceof Buffer ? { 'content-type': FORM_TYPE } : {}) },
    ...(body === undefined ? {} : { body }),
  });
  return `${response.status} ${await response.text()}`;
}

async function upgrade(name: Name, path: string): Promise<string> {
  try {
    await (await TestSocket.open(`${fixture.gateway.ws}${path}`, headers(name))).close();
    return 'open';
  } catch (error) {
    return (error as Error).message;
  }
}

const FORBIDDEN = /^403 .*"code":"forbidden"/;
const NAMED = formBody([`form-data; name="entries"; filename="${THEIRS}:cam"`, 'x']);

/** What names the other's streams, by either token. */
const NAMES = [
  `cam?device_id=${THEIRS}`,
  `cam?device_id=default`,
  ':event:device.connected?',
  `cam?device_id=`,
];

describe.each<Name>(['walled', 'limited'])('by a token that is %s', (name) => {
  test.each(NAMES)('no read or write of /data/%s', async (path) => {
    const asked = await askedOfTheirs(async () => {
      const [sid, query] = path.split('?');
      const refusal = path.endsWith('=') ? /^400 .*bad_name/ : FORBIDDEN;
      const writeRefusal = path.startsWith(':') ? /^403 .*reserved_name/ : refusal;
      for (const [method, end, expected] of [
        ['GET', '&last_entry_id=0', refusal],
        ['GET', '&last_entry_id=$&block=1', refusal],
        ['HEAD', '&last_entry_id=0', /^40[03] $/],
        ['POST', '', writeRefusal],
      ] as const) {
        expect(
          await http(name, method, `/data/${sid}?${query}${end}`, method === 'POST' ? 'x' : undefined),
        ).toMatch(expected);
      }
      if (!path.startsWith(':')) expect(await http(name, 'POST', `/data/*?${query}`, NAMED)).toMatch(refusal);
      expect(await upgrade(name, `/data/${sid}/pull?${query}`)).toMatch(refusal);
      expect(await upgrade(name, `/data/${sid}/push?${query}`)).toMatch(writeRefusal);
    });
    expect(asked).toEqual([]);
  });

  test('no change of, and no question about, another device', async () => {
    const asked = await askedOfTheirs(async () => {
      for (const query of [
        `{ device(id: "${THEIRS}") { id } }`,
        `{ device(id: "${THEIRS}") { meta streamIds } }`,
        `{ device(id: "default") { meta } }`,
        `{ devices(ids: ["${MINE}", "${THEIRS}"]) { id } }`,
        `{ device(id: "${MINE}") { streamIds(device_id: "${THEIRS}") } }`,
        `{ device(id: "${MINE}") { streams(device_id: "${THEIRS}") { id } } }`,
        `{ device(id: "${MINE}") { stream(streamId: ":event:device.connected") { length } } }`,
        '{ stream(id: ":event:device.connected") { length } }',
        '{ streams(ids: [":event:device.connected"]) { length } }',
        `mutation { connectDevice(deviceId: "${THEIRS}") }`,
        `mutation { connectDevice(id: "${THEIRS}", meta: {}) }`,
        `mutation { disconnectDevice(deviceId: "${THEIRS}") }`,
        `mutation { updateDeviceMeta(deviceId: "${THEIRS}", meta: {}) }`,
        `mutation { updateStreamMeta(streamId: "cam", deviceId: "${THEIRS}", meta: {}) }`,
        `mutation { updateStreamMeta(streamId: "cam", deviceId: "${THEIRS}", meta: {}, update: true) }`,
        `mutation { deleteStream(streamId: "cam", deviceId: "${THEIRS}") }`,
        'mutation { deleteStream(streamId: ":event:device.connected") }',
        'mutation { updateStreamMeta(streamId: ":event:device.connected", meta: {}) }',
        `mutation { deleteStream(streamId: "cam", deviceId: "default") }`,
      ]) {
        expect(codeOf(await graphql(name, query)), query).toBe('forbidden');
      }
    });
    expect(asked).toEqual([]);
  });

  test('no subscription to its streams', async () => {
    const socket = await GraphqlSocket.open(fixture.gateway, { headers: headers(name) });
    const asked = await askedOfTheirs(async () => {
      for (const args of [
        `streamIds: ["cam"], deviceId: "${THEIRS}"`,
        'streamIds: [":event:device.connected"]',
        'streamIds: ["cam"], deviceId: "default"',
      ]) {
        const event = await socket.run(`subscription { data(${args}, lastEntryId: "0") { string } }`).event();
        expect(event).toMatchObject({ result: { errors: [{ extensions: { code: 'forbidden' } }] } });
      }
    });
    await socket.close();
    expect(asked).toEqual([]);
  });

  test('no listing shows it', async () => {
    const answer = await graphql(
      name,
      `{
        devices { id meta streamIds } seen: devices(includeAll: true) { id }
        streamIds described: streamIds(searchMeta: true) globbed: streamIds(match: "*${THEIRS}*")
        prefixed: streamIds(prefix: "${THEIRS}:") system: streamIds(prefix: ":")
        streams { id length } globs: streams(match: "*") { id meta }
      }`,
    );
    expect(answer.errors).toBeUndefined();
    const shown = name === 'walled' ? '' : `${MINE}:`;
    const own = [`${shown}cam`, `${shown}described`, `${shown}only-${MINE}`].sort();
    const { data } = answer as { data: Record<string, unknown[]> };
    expect(data.devices).toMatchObject([{ id: MINE, meta: { of: MINE } }]);
    expect(data.seen).toEqual([{ id: MINE }]);
    expect(data.streamIds).toEqual(own);
    expect(data.described).toEqual([`${shown}described`]);
    for (const list of [data.globbed!, data.prefixed!]) expect(list).toEqual([]);
    expect(data.system).toEqual([]);
    for (const list of [data.streams!, data.globs!] as { id: string }[][]) {
      expect(list.map(({ id }) => id)).toEqual(own);
    }
  });
});

describe('within the wall', () => {
  test("names have no prefix, and another's whole key is a name like any other", async () => {
    const sid = `${THEIRS}:only-${THEIRS}`;
    const read = await http('walled', 'GET', `/data/${sid}?last_entry_id=0&block=-1`);
    expect(read).toBe('200 ');
    const answer = await graphql(
      'walled',
      `{
        whole: stream(id: "${sid}") { id error }
        mine: stream(id: "cam") { id lastEntryString }
        keyed: stream(id: "${MINE}:cam") { error }
        matched: streamIds(match: "ca?")
        behind: streamIds(prefix: "only-", match: "*")
        listed: streams(ids: ["cam", "bare", "default:cam"]) { id lastEntryString error }
        device { id streamIds stream(streamId: "cam") { id lastEntryString } }
        explicit: device(id: "${MINE}") { meta }
      }`,
    );
    expect(answer).toMatchObject({
      data: {
        whole: { id: sid, error: 'no such key' },
        mine: { id: 'cam', lastEntryString: `of ${MINE}` },
        keyed: { error: 'no such key' },
        matched: ['cam'],
        behind: [`only-${MINE}`],
        listed: [
          { id: 'cam', lastEntryString: `of ${MINE}` },
          { id: 'bare', error: 'no such key' },
          { id: 'default:cam', error: 'no such key' },
        ],
        device: { id: MINE, stream: { id: 'cam', lastEntryString: `of ${MINE}` } },
        explicit: { meta: { of: MINE } },
      },
    });
    expect(await http('walled', 'POST', `/data/${sid}`, 'x')).toMatch(/^200/);
    expect(await fixture.redis.client.xlen(`${MINE}:${sid}`)).toBe(1);
    expect(await fixture.redis.client.xlen(sid)).toBe(1);
    await fixture.redis.client.del(`${MINE}:${sid}`);
  });

  test('followers are told names without the prefix, whatever they ask for', async () => {
    const { ws, http: address } = fixture.gateway;
    for (const query of ['', 'keep_device_id_in_stream_id=1', `device_id=${MINE}`]) {
      const pull = await TestSocket.open(`${ws}/data/cam/pull?last_entry_id=0&${query}`, headers('walled'));
      expect(await pull.receiveJson()).toEqual([['cam', '1-0', 0]]);
      expect(String(await pull.receive())).toBe(`of ${MINE}`);
      await pull.close();
      const read = await fetch(`${address}/data/cam?last_entry_id=0&${query}`, {
        headers: headers('walled'),
      });
      expect(JSON.parse(read.headers.get('x-offsets')!)).toEqual([['cam', '1-0', 0]]);
    }
    const subscription = await GraphqlSocket.open(fixture.gateway, { headers: headers('walled') });
    const query = 'subscription { data(streamIds: ["cam"], lastEntryId: "0") { streamId string } }';
    expect(await subscription.run(query).next()).toEqual({ data: { streamId: 'cam', string: `of ${MINE}` } });
    await subscription.close();
  });

  test('an entry that names its stream names one of its own', async () => {
    const { client } = fixture.redis;
    const asked = await askedOfTheirs(async () => {
      const push = await TestSocket.open(`${fixture.gateway.ws}/data/*/push?ack=1`, headers('walled'));
      expect(await push.push([['fresh', 1]], 'x')).toEqual([expect.any(String)]);
      expect(await push.push([['default:fresh', 1]], 'x')).toEqual([expect.any(String)]);
      expect(await push.push([[':event:device.connected', 1]], 'x')).toMatchObject([
        { code: 'reserved_name' },
      ]);
      await push.close();
    });
    expect(asked).toEqual([]);
    expect(await client.exists(`${MINE}:fresh`, `${MINE}:default:fresh`)).toBe(2);
    expect(await client.exists('default:fresh')).toBe(0);
    await client.del(`${MINE}:fresh`, `${MINE}:default:fresh`);
  });

  test('mutations change what is of the device', async () => {
    const { client } = fixture.redis;
    const answer = await graphql(
      'walled',
      `mutation {
        updateStreamMeta(streamId: "fresh", meta: {a: 1})
        explicit: updateStreamMeta(streamId: "fresh", deviceId: "${MINE}", meta: {b: 2}, update: true)
        connectDevice(deviceId: "${MINE}")
        deleteStream(streamId: "cam")
      }`,
    );
    expect(answer.errors).toBeUndefined();
    expect(await client.get(`:stream:meta:${MINE}:fresh`)).toBe('{"a":1,"b":2}');
    expect(await client.exists(`${MINE}:cam`)).toBe(0);
    expect(await client.exists('default:cam', `${THEIRS}:cam`)).toBe(2);
    await client.xadd(`${MINE}:cam`, '1-0', 'd', `of ${MINE}`);
    await client.del(`:stream:meta:${MINE}:fresh`);
  });
});

describe('by a token with rights to some streams only', () => {
  test('an entry for another is refused, and the connection goes on', async () => {
    const asked = await askedOfTheirs(async () => {
      const push = await TestSocket.open(
        `${fixture.gateway.ws}/data/*/push?ack=1&device_id=${MINE}`,
        headers('limited'),
      );
      expect(await push.push([['fresh', 1]], 'x')).toEqual([expect.any(String)]);
      await push.close();
    });
    expect(asked).toEqual([]);
    await fixture.redis.client.del(`${MINE}:fresh`);
    const { tokens, gateway } = fixture;
    await fixture.rewrite({
      ...PLANS,
      limited: { rights: [{ device: MINE, stream: 'ok*', actions: ['write'] }] },
    } as never);
    const push = await TestSocket.open(
      `${gateway.ws}/data/*/push?ack=1&device_id=${MINE}`,
      bearer(tokens.limited),
    );
    expect(
      await push.push(
        [
          ['ok1', 1],
          ['no', 2],
          ['ok2', 3],
        ],
        'xyz',
      ),
    ).toEqual([
      expect.any(String),
      { code: 'forbidden', error: "this token may not write to 'no'" },
      expect.any(String),
    ]);
    await push.close();
    // Without acks there is no other way to tell.
    const blind = await TestSocket.open(
      `${gateway.ws}/data/*/push?device_id=${MINE}`,
      bearer(tokens.limited),
    );
    blind.send(JSON.stringify([['no', 1]]), Buffer.from('x'));
    expect(await blind.closed).toEqual({
      code: 4403,
      reason: "this token may not write to 'no'",
    });
    const parts = formBody(
      ['form-data; name="entries"; filename="ok1"', 'x'],
      ['form-data; name="entries"; filename="no"', 'x'],
    );
    expect(await http('limited', 'POST', `/data/*?device_id=${MINE}`, parts)).toMatch(FORBIDDEN);
    // Nothing of a request is stored that is refused.
    expect(await fixture.redis.client.xlen(`${MINE}:ok1`)).toBe(1);
    expect(await fixture.redis.client.exists(`${MINE}:no`)).toBe(0);
    await fixture.rewrite(PLANS as never);
    await fixture.redis.client.del(`${MINE}:ok1`, `${MINE}:ok2`);
  });

  test("another's whole key is taken for a name of the default device, and Redis is not asked for it", async () => {
    const asked = await askedOfTheirs(async () => {
      expect(codeOf(await graphql('limited', `{ stream(id: "${THEIRS}:cam") { length } }`))).toBe(
        'forbidden',
      );
      expect(codeOf(await graphql('limited', '{ stream(id: "cam") { length } }'))).toBe('forbidden');
      const own = await graphql('limited', `{ stream(id: "${MINE}:cam") { id length } }`);
      expect(own).toEqual({ data: { stream: { id: `${MINE}:cam`, length: 1 } } });
    });
    expect(asked).toEqual([]);
  });
});

test('a flush takes what is of the device, and never the database', async () => {
  const { client } = fixture.redis;
  const from = commands.length;
  const answer = await graphql<{ flush: number }>('walled', 'mutation { flush }');
  // Two streams, and the metadata of a third.
  expect(answer).toEqual({ data: { flush: 3 } });
  expect(await client.keys(`*${MINE}:*`)).toEqual([]);
  expect(await client.exists(`${THEIRS}:cam`, 'default:cam', 'bare', ':event:device.connected')).toBe(4);
  await client.echo('done');
  await expect.poll(() => commands.some((command) => command.includes('"done"'))).toBe(true);
  const given = commands.slice(from);
  expect(given.filter((command) => /flush(db|all)|"keys"/i.test(command))).toEqual(['["keys","*mine:*"]']);
  expect(given.filter((command) => command.includes(`${THEIRS}:`))).toEqual([
    `["exists","${THEIRS}:cam","default:cam","bare",":event:device.connected"]`,
  ]);
});

test('where keys have no device prefix there is nothing that a wall could stand on', async () => {
  const other = await startAccessFixture(
    { walled: PLANS.walled, all: PLANS.all },
    { DISABLE_MULTI_DEVICE_PREFIXING: '1' },
  );
  try {
    const ask = (token: string) => fetch(`${other.gateway.http}/data/x?block=-1`, { headers: bearer(token) });
    expect((await ask(other.tokens.walled)).status).toBe(403);
    expect((await ask(other.tokens.all)).status).toBe(200);
    const init = { token: other.tokens.walled };
    await expect(GraphqlSocket.open(other.gateway, { init })).rejects.toThrow('closed: 4403');
    const ws = new WebSocket(`${other.gateway.ws}/data/x/push`, { headers: bearer(other.tokens.walled) });
    expect(String((await once(ws, 'error'))[0])).toContain('403');
  } finally {
    await other.stop();
  }
});
