/** WebSocket frames as RFC 6455 forbids them, byte by byte: closed, nothing stored, and nobody else harmed. */
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { startForFile } from '../support/gateway-fixture.js';
import { textsIn } from '../support/push-fixture.js';
import {
  BINARY,
  CLOSE,
  frame,
  framesIn,
  openRaw,
  PING,
  RawClient,
  TEXT,
  upgradeRequest,
} from '../support/raw-client.js';
import { TestSocket } from '../support/socket.js';

const LIMIT = 200_000;
/** By how much a message may be longer before the library cuts it off. */
const TOLERANCE = 200_000;

const { redis, gateway } = await startForFile({ MAX_PAYLOAD_BYTES: String(LIMIT) });
/** Somebody else, who must not feel any of it. */
let neighbour: TestSocket;

beforeAll(async () => {
  neighbour = await TestSocket.open(`${gateway.ws}/data/neighbour/push?ack=1`);
});

afterAll(async () => {
  await neighbour?.close();
});

const open = (sid: string, query = 'header=0&ack=1') => openRaw(gateway.port, `/data/${sid}/push?${query}`);

async function expectOthersWell(): Promise<void> {
  expect(await neighbour.push([], 'x')).toEqual([expect.stringMatching(/^\d+-\d+$/)]);
}

let streams = 0;
const freshSid = () => `s${streams++}`;
const closeFrame = (...bytes: number[]) => frame({ first: CLOSE, payload: Uint8Array.from(bytes) });
const closeWith = (code: number) => closeFrame(code >> 8, code & 0xff);
const opcode = (code: number) => frame({ first: 0x80 | code, payload: 'x' });

/** After each the connection is closed without a word, and nothing is stored. */
const BROKEN: Readonly<Record<string, readonly Uint8Array[]>> = {
  'reserved bit 1, without an extension that uses it': [frame({ first: 0xc2, payload: 'x' })],
  'reserved bit 2': [frame({ first: 0xa2, payload: 'x' })],
  'reserved bit 3': [frame({ first: 0x92, payload: 'x' })],
  ...Object.fromEntries(
    [3, 4, 5, 6, 7, 11, 12, 13, 14, 15].map((code) => [`opcode ${code}`, [opcode(code)]]),
  ),
  'a continuation of nothing': [frame({ first: 0x80, payload: 'x' })],
  'a continuation of nothing, to be continued': [frame({ first: 0x00, payload: 'x' })],
  'a ping in fragments': [frame({ first: 0x09, payload: 'x' })],
  'a pong in fragments': [frame({ first: 0x0a, payload: 'x' })],
  'a close in fragments': [frame({ first: 0x08, payload: Uint8Array.of(3, 232) })],
  'a ping of 126 bytes': [frame({ first: PING, payload: Buffer.alloc(126) })],
  'a pong of 126 bytes': [frame({ first: 0x8a, payload: Buffer.alloc(126) })],
  'a close of 126 bytes': [
    frame({ first: CLOSE, payload: Buffer.concat([Buffer.of(3, 232), Buffer.alloc(124)]) }),
  ],
  'text that is not UTF-8': [frame({ first: TEXT, payload: Uint8Array.of(0xff, 0xfe) })],
  'text that ends within a character': [frame({ first: TEXT, payload: Uint8Array.of(0xe2, 0x82) })],
  'text with half of a pair': [frame({ first: TEXT, payload: Uint8Array.of(0xed, 0xa0, 0x80) })],
  'text in an overlong form': [frame({ first: TEXT, payload: Uint8Array.of(0xc0, 0xaf) })],
  'text beyond Unicode': [frame({ first: TEXT, payload: Uint8Array.of(0xf4, 0x90, 0x80, 0x80) })],
  'text in fragments that is not UTF-8': [
    frame({ first: 0x01, payload: Uint8Array.of(0xe2) }),
    frame({ first: 0x80, payload: Uint8Array.of(0x28) }),
  ],
  'a length of 2^63': [frame({ first: BINARY, said: { length: 1n << 63n, bytes: 8 } })],
  'a length of 2^64 - 1': [frame({ first: BINARY, said: { length: (1n << 64n) - 1n, bytes: 8 } })],
  'a length of 2^32': [frame({ first: BINARY, said: { length: 1n << 32n, bytes: 8 } })],
  'far more than the limit, said only': [
    frame({ first: BINARY, said: { length: BigInt(LIMIT + 2 * TOLERANCE), bytes: 8 } }),
  ],
  'HTTP where frames belong': [Buffer.from('GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n')],
};

describe('what breaks the protocol', () => {
  test.each(Object.entries(BROKEN))('%s', async (_, frames) => {
    const sid = freshSid();
    const client = await open(sid);
    for (const bytes of frames) client.send(bytes);
    await client.closed;
    expect(client.text).toMatch(/^HTTP\/1\.1 101 /);
    expect(framesIn(client.bytes)).toEqual([]);
    expect(await redis.client.exists(`default:${sid}`)).toBe(0);
    await expectOthersWell();
  });
});

describe('a close', () => {
  const answered = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 4000, 4999];
  test.each(answered)('with %i is answered with the same', async (code) => {
    const client = await open(freshSid());
    client.send(closeWith(code));
    await client.closed;
    expect(framesIn(client.bytes)).toEqual([{ opcode: 8, payload: Buffer.of(code >> 8, code & 0xff) }]);
  });

  const bad: Readonly<Record<string, Uint8Array>> = {
    ...Object.fromEntries(
      [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 3999, 5000, 65_535].map((code) => [code, closeWith(code)]),
    ),
    'one byte': closeFrame(3),
    'a reason that is not UTF-8': closeFrame(3, 232, 0xff),
  };
  test.each(Object.entries(bad))(
    'with %s ends it all the same, and the code is not repeated',
    async (_, bytes) => {
      const client = await open(freshSid());
      client.send(bytes);
      await client.closed;
      for (const { opcode: sent, payload } of framesIn(client.bytes)) {
        expect(sent).toBe(8);
        if (payload.length > 0) expect([1000, 1002, 1007]).toContain(payload.readUInt16BE(0));
      }
      await expectOthersWell();
    },
  );

  test('ends what is stored: frames behind it count for nothing', async () => {
    const sid = freshSid();
    const client = await open(sid);
    const before = frame({ first: BINARY, payload: 'before' });
    client.send(Buffer.concat([before, closeWith(1000), frame({ first: BINARY, payload: 'behind' })]));
    await client.closed;
    await vi.waitFor(async () => expect(await textsIn(redis.client, `default:${sid}`)).toEqual(['before']));
    await expectOthersWell();
    expect(await textsIn(redis.client, `default:${sid}`)).toEqual(['before']);
  });
});

describe('what the protocol allows', () => {
  const stores: Readonly<Record<string, readonly [frames: readonly Uint8Array[], entry: string]>> = {
    'fragments with a ping between them': [
      [
        frame({ first: 0x02, payload: 'a' }),
        frame({ first: PING, payload: 'p' }),
        frame({ first: 0x00, payload: '' }),
        frame({ first: 0x80, payload: 'c' }),
      ],
      'ac',
    ],
    'a character cut between two fragments': [
      [
        frame({ first: 0x01, payload: Uint8Array.of(0xe2, 0x82) }),
        frame({ first: 0x80, payload: Uint8Array.of(0xac) }),
      ],
      '€',
    ],
    'a length in more bytes than it needs': [
      [frame({ first: BINARY, payload: 'x', said: { length: 1n, bytes: 8 } })],
      'x',
    ],
    'a pong that nobody asked for': [
      [frame({ first: 0x8a, payload: 'p' }), frame({ first: BINARY, payload: 'x' })],
      'x',
    ],
    'a mask of zeros': [[Buffer.from([BINARY, 0x81, 0, 0, 0, 0, 0x78])], 'x'],
  };
  test.each(Object.entries(stores))('%s', async (_, [frames, entry]) => {
    const sid = freshSid();
    const client = await open(sid);
    for (const bytes of frames) client.send(bytes);
    await client.until(() => framesIn(client.bytes).some(({ opcode: sent }) => sent === 1));
    expect(await textsIn(redis.client, `default:${sid}`)).toEqual([entry]);
    client.destroy();
  });

  test('a frame byte by byte', async () => {
    const sid = freshSid();
    const client = await open(sid);
    for (const byte of frame({ first: BINARY, payload: 'slowly' })) await client.flush(Uint8Array.of(byte));
    await client.until(() => framesIn(client.bytes).length > 0);
    expect(await textsIn(redis.client, `default:${sid}`)).toEqual(['slowly']);
    client.destroy();
  });
});

describe('a message that does not end', () => {
  /** Sends fragments until the gateway has had enough. @returns how many bytes it took */
  async function fragments(client: RawClient, size: number): Promise<number> {
    const body = frame({ first: 0x00, payload: Buffer.alloc(size) });
    client.send(frame({ first: 0x02, payload: Buffer.alloc(size) }));
    let sent = size;
    while (!client.hasEnded) {
      await client.flush(body);
      sent += size;
    }
    return sent;
  }

  test('is cut off once it is over the limit', async () => {
    const sid = freshSid();
    const client = await open(sid);
    const memory = await gateway.residentBytes();
    await fragments(client, 1000);
    expect((await gateway.residentBytes()) - memory).toBeLessThan(100 * 1024 * 1024);
    expect(await redis.client.exists(`default:${sid}`)).toBe(0);
    await expectOthersWell();
  });

  test('costs nothing while its fragments are empty', async () => {
    const client = await open(freshSid());
    const memory = await gateway.residentBytes();
    const empty = Buffer.concat(Array.from({ length: 10_000 }, () => frame({ first: 0x00 })));
    client.send(frame({ first: 0x02 }));
    for (let round = 0; round < 20; round++) await client.flush(empty);
    client.send(frame({ first: 0x80, payload: 'end' }));
    await client.until(() => framesIn(client.bytes).length > 0);
    expect((await gateway.residentBytes()) - memory).toBeLessThan(50 * 1024 * 1024);
    client.destroy();
  });

  test('is not stored when its client leaves', async () => {
    const sid = freshSid();
    const client = await open(sid);
    await client.flush(frame({ first: 0x02, payload: Buffer.alloc(1000) }));
    client.destroy();
    const half = await open(sid);
    await half.flush(frame({ first: BINARY, payload: Buffer.alloc(1000) }).subarray(0, 500));
    half.destroy();
    await expectOthersWell();
    expect(await redis.client.exists(`default:${sid}`)).toBe(0);
  });
});

test('a message a little over the limit is told so', async () => {
  const client = await open(freshSid());
  client.send(frame({ first: BINARY, payload: Buffer.alloc(LIMIT + 1) }));
  await client.closed;
  const [close] = framesIn(client.bytes);
  expect(close!.opcode).toBe(8);
  expect(close!.payload.readUInt16BE(0)).toBe(1009);
});

test('frames without a mask, which the library does not notice, cost nobody but their sender', async () => {
  // It takes the first four bytes of the payload for the mask: what comes of it is garbage, and theirs alone.
  const sid = freshSid();
  const client = await open(sid);
  const unmasked = frame({ first: BINARY, payload: 'hello', masked: false });
  for (let round = 0; round < 50; round++) client.send(unmasked);
  await expectOthersWell();
  client.destroy();
  for (const text of await textsIn(redis.client, `default:${sid}`)) expect(text).not.toBe('hello');
  expect(await textsIn(redis.client, 'default:neighbour')).toSatisfy((texts: string[]) =>
    texts.every((text) => text === 'x'),
  );
});

describe('the request that opens a WebSocket', () => {
  const refusals: Readonly<Record<string, readonly [request: string, status: number]>> = {
    'of an older version': [upgradeRequest('/data/x/push').replace('Version: 13', 'Version: 8'), 426],
    'of no version': [upgradeRequest('/data/x/push').replace(/Sec-WebSocket-Version.*\r\n/, ''), 426],
    'without a key': [upgradeRequest('/data/x/push').replace(/Sec-WebSocket-Key.*\r\n/, ''), 426],
    'with a short key': [upgradeRequest('/data/x/push').replace(/Key: .*\r\n/, 'Key: abc\r\n'), 426],
    'that says close': [
      upgradeRequest('/data/x/push').replace('Connection: Upgrade', 'Connection: close'),
      426,
    ],
    'with a body': [`${upgradeRequest('/data/x/push', 'Content-Length: 5\r\n')}hello`, 400],
    'with a subprotocol that is none': [
      upgradeRequest('/data/x/push', 'Sec-WebSocket-Protocol: a b\r\n'),
      400,
    ],
    'as a POST': [upgradeRequest('/data/x/push').replace('GET', 'POST'), 405],
    'where there is none': [upgradeRequest('/nothing'), 404],
  };
  test.each(Object.entries(refusals))('%s is answered', async (_, [request, status]) => {
    const client = await RawClient.open(gateway.port);
    client.send(request);
    await client.until(() => client.statuses.length > 0);
    expect(client.statuses).toEqual([status]);
    client.destroy();
  });

  test('is told the version that is spoken', async () => {
    const old = await RawClient.open(gateway.port);
    old.send(upgradeRequest('/data/x/push').replace('Version: 13', 'Version: 8'));
    await old.until(() => old.statuses.length > 0);
    expect(old.text.toLowerCase()).toContain('\r\nsec-websocket-version: 13\r\n');
    old.destroy();
  });

  test('gets no compression, whose memory nothing bounds', async () => {
    const client = await openRaw(
      gateway.port,
      '/data/x/push',
      'Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n',
    );
    expect(client.text.toLowerCase()).not.toContain('sec-websocket-extensions');
    client.destroy();
  });
});

describe('pings', () => {
  const ping = frame({ first: PING, payload: Buffer.alloc(125) });

  test.each(['/data/x/push', '/data/x/pull?block=0', '/graphql'])(
    'whose pongs nobody reads end the connection: %s',
    async (path) => {
      const protocol = path === '/graphql' ? 'Sec-WebSocket-Protocol: graphql-transport-ws\r\n' : '';
      const client = await openRaw(gateway.port, path, protocol);
      client.pause();
      const memory = await gateway.residentBytes();
      const many = Buffer.concat(Array.from({ length: 1000 }, () => ping));
      let closed = false;
      client.socket.on('error', () => {
        closed = true;
      });
      const before = await gateway.metric('failures_total{code="pongs_unread"}');
      // What the kernel holds on either side is a few megabytes.
      for (let sent = 0; sent < 60 && !closed; sent++) {
        await Promise.race([client.flush(many), new Promise((resolve) => setTimeout(resolve, 500).unref())]);
        if ((await gateway.metric('failures_total{code="pongs_unread"}')) > before) break;
      }
      expect(await gateway.metric('failures_total{code="pongs_unread"}')).toBe(before + 1);
      expect((await gateway.residentBytes()) - memory).toBeLessThan(30 * 1024 * 1024);
      client.destroy();
      await expectOthersWell();
    },
  );

  test('that are read are answered, however many', async () => {
    const client = await openRaw(gateway.port, '/data/x/push');
    const count = 20_000;
    for (let sent = 0; sent < count; sent += 1000) {
      await client.flush(
        Buffer.concat(Array.from({ length: 1000 }, () => frame({ first: PING, payload: 'p' }))),
      );
    }
    const handshake = client.bytes.indexOf('\r\n\r\n') + 4;
    await client.until(() => client.bytes.length - handshake >= count * 3);
    expect(framesIn(client.bytes)).toHaveLength(count);
    client.destroy();
  });
});
