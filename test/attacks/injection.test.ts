/**
 * Names, payloads and times that mean something to whoever they are handed on to: to Redis' protocol, to an
 * HTTP header, to a key of another device. They stay what they are, byte for byte, or are refused.
 */
import fc from 'fast-check';
import { pack } from 'msgpackr';
import { beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { checkDeviceId, checkStreamId, checkWritable } from '../../src/protocol/names.js';
import { streamKey } from '../../src/redis/keys.js';
import { startForFile } from '../support/gateway-fixture.js';
import { FORM_TYPE, formBody } from '../support/http.js';
import { entriesIn } from '../support/push-fixture.js';
import { openRaw, RawClient } from '../support/raw-client.js';
import { TestSocket } from '../support/socket.js';

const SOON = { timeout: 10_000 };

const { redis, gateway } = await startForFile({ REDIS_STREAM_MAXLEN: '1000000' });

beforeAll(async () => {
  // Its threads connect by and by, which would be counted among what they tell Redis.
  await vi.waitFor(async () => expect((await fetch(`${gateway.http}/readyz`)).status).toBe(200), SOON);
});

beforeEach(() => redis.client.flushall());

/** Text that would be more than text if it were not counted in bytes, or not escaped. */
const EVIL = [
  '\r\n',
  '\r',
  '\n',
  '\0',
  '$5\r\nhello\r\n',
  '*1\r\n$8\r\nFLUSHALL\r\n',
  '\r\n*1\r\n$8\r\nFLUSHALL\r\n',
  '-ERR x\r\n',
  'é漢😀',
  'e\u0301',
  'é',
  '\u202e',
  '\ud800',
  '\udc00\ud800',
  '%0d%0a',
  '%',
  ':',
  '*',
  '?',
  '[a-z]',
  '{tag}',
  '..',
  '/',
  '\\',
  '"',
  "'",
  '<img src=x onerror=alert(1)>',
  '__proto__',
  'constructor',
  ' ',
  '\u2028',
  '\u0085',
  '',
];
const evilText = fc
  .array(fc.oneof(fc.constantFrom(...EVIL), fc.string({ unit: 'binary', maxLength: 6 })), { maxLength: 6 })
  .map((parts) => parts.join(''));
const evilBytes = fc.oneof(
  fc.uint8Array({ maxLength: 200 }),
  evilText.map((text) => Buffer.from(text)),
  fc.constantFrom(...EVIL).map((text) => Buffer.concat([Buffer.from(text), Buffer.of(0xff, 0, 13, 10)])),
);

/** Whether the rules of names take it. */
function isName(text: string, check: (name: string) => void): boolean {
  try {
    check(text);
    return true;
  } catch {
    return false;
  }
}

/** How often Redis was told what, since the statistics were reset. */
async function commands(): Promise<Record<string, number>> {
  const stats = await redis.client.info('commandstats');
  return Object.fromEntries(
    [...stats.matchAll(/cmdstat_(\S+?):calls=(\d+)/g)].map(([, name, calls]) => [name!, Number(calls)]),
  );
}

/** What the gateway and this test tell Redis beside what is asked for here. */
const BACKGROUND = [
  'xread',
  'client',
  'client|id',
  'client|unblock',
  'ping',
  'info',
  'config|resetstat',
  'xrange',
  'keys',
  'type',
  // How many entries a stream has had, asked before its first one by a script that does no more.
  'eval',
  'exists',
  'xinfo|stream',
];

describe('Redis is told exactly what was sent', () => {
  const message = fc.record({
    sid: evilText,
    time: fc.oneof(fc.constant(null), fc.nat(1_000_000), evilText),
    payload: evilBytes,
  });

  test('over a WebSocket, in either framing', { timeout: 60_000 }, async () => {
    const json = await TestSocket.open(`${gateway.ws}/data/*/push?ack=1`);
    const packed = await TestSocket.open(`${gateway.ws}/data/*/push?ack=1&header=msgpack`);
    await redis.client.config('RESETSTAT');
    let stored = 0;
    let refusedByRedis = 0;
    let runs = 0;
    await fc.assert(
      fc.asyncProperty(message, fc.boolean(), async ({ sid, time, payload }, isPacked) => {
        runs++;
        const named = `${runs}${sid}`;
        const socket = isPacked ? packed : json;
        if (isPacked) socket.send(pack([[named, time, Buffer.from(payload)]]));
        else {
          // JSON would write a lone surrogate as what it is: an escape.
          socket.send(JSON.stringify([[named, time, payload.length]]), payload);
        }
        const [ack] = await socket.receiveJson<[string | { code: string }]>();
        const key = `default:${named.toWellFormed()}`;
        if (typeof ack !== 'string') {
          expect([
            'bad_name',
            'bad_header',
            'reserved_name',
            'time_in_future',
            'id_not_increasing',
          ]).toContain(ack?.code);
          if (ack?.code === 'id_not_increasing') refusedByRedis++;
          return;
        }
        stored++;
        expect(isName(named.toWellFormed(), checkStreamId)).toBe(true);
        const entries = await entriesIn(redis.client, key);
        expect(entries).toEqual([[ack, Buffer.from(payload)]]);
      }),
      { numRuns: 200 },
    );
    const { xadd, ...others } = await commands();
    expect(xadd).toBe(stored + refusedByRedis);
    expect(stored).toBeGreaterThan(25);
    expect(Object.keys(others).filter((name) => !BACKGROUND.includes(name))).toEqual([]);
    await json.close();
    await packed.close();
  });

  test('over HTTP, in the path, in the query and as a file name', { timeout: 60_000 }, async () => {
    await redis.client.config('RESETSTAT');
    let stored = 0;
    let runs = 0;
    const part = fc.record({ device: evilText, prefix: evilText, sid: evilText, payload: evilBytes });
    await fc.assert(
      fc.asyncProperty(part, fc.boolean(), async ({ device, prefix, sid, payload }, isForm) => {
        runs++;
        const [named, owner, before] = [`${runs}${sid}`, `d${device}`, prefix].map((text) =>
          text.toWellFormed(),
        );
        // A form's own line breaks and quotes are the form's matter.
        const name = isForm ? named!.replaceAll(/[\r\n"\\%]/g, '') : named!;
        const query = `device_id=${encodeURIComponent(owner!)}&prefix=${encodeURIComponent(before!)}`;
        const address = `${gateway.http}/data/${isForm ? '*' : encodeURIComponent(name)}?${query}`;
        const response = isForm
          ? await fetch(address, {
              method: 'POST',
              body: formBody([`form-data; name="entries"; filename="${name}"`, payload]),
              headers: { 'content-type': FORM_TYPE },
            })
          : await fetch(address, { method: 'POST', body: Buffer.from(payload) });
        const body = (await response.json()) as [string] | { code: string };
        if (!Array.isArray(body)) {
          expect(response.status).toBeOneOf([400, 403]);
          expect(body.code).toBeOneOf(['bad_name', 'bad_body', 'bad_parameter', 'reserved_name']);
          return;
        }
        stored++;
        const entries = await entriesIn(redis.client, `${owner}:${before}${name}`);
        expect(entries).toEqual([[body[0], Buffer.from(payload)]]);
      }),
      { numRuns: 200 },
    );
    const { xadd, ...others } = await commands();
    expect(xadd).toBe(stored);
    expect(stored).toBeGreaterThan(15);
    expect(Object.keys(others).filter((name) => !BACKGROUND.includes(name))).toEqual([]);
    // Nothing lies anywhere but under a device's prefix.
    expect((await redis.client.keys('*')).filter((key) => !key.startsWith('d'))).toEqual([]);
  });
});

describe('names lead to keys one to one', () => {
  const pair = fc.tuple(evilText, evilText);
  const keyOf = ([device, sid]: readonly [string, string]) => {
    if (!isName(device, checkDeviceId) || !isName(sid, checkStreamId) || !isName(sid, checkWritable))
      return undefined;
    return isName(sid, (name) => streamKey(device, '', name, true))
      ? streamKey(device, '', sid, true)
      : undefined;
  };

  test('and every key begins with its device', () => {
    let accepted = 0;
    fc.assert(
      fc.property(pair, pair, (one, other) => {
        const [key, otherKey] = [keyOf(one), keyOf(other)];
        if (key === undefined) return;
        accepted++;
        expect(key.startsWith(`${one[0]}:`)).toBe(true);
        expect(Buffer.from(key).toString()).toBe(key);
        if (otherKey === key) expect(other).toEqual(one);
        // The device can be told from the key: nobody else's stream has it.
        expect(key.slice(0, key.indexOf(':'))).toBe(one[0]);
      }),
      { numRuns: 20_000 },
    );
    expect(accepted).toBeGreaterThan(500);
  });

  test('also where the names are as alike as can be', () => {
    const alike = [
      'a',
      'a:b',
      'b',
      ':b',
      'a%3Ab',
      'A',
      'é',
      'e\u0301',
      'a ',
      ' a',
      'a\u200b',
      'a/b',
      'a/../b',
      '.',
    ];
    const keys = alike
      .flatMap((device) => alike.map((sid) => keyOf([device, sid])))
      .filter((key) => key !== undefined);
    expect(new Set(keys).size).toBe(keys.length);
    expect(keys.length).toBeGreaterThan(100);
  });
});

describe('an answer has no header that nobody wrote', () => {
  const OWN_HEADERS = [
    'date',
    'uwebsockets',
    'content-type',
    'content-length',
    'x-content-type-options',
    'x-last-entry-id',
    'x-offsets',
    'cache-control',
    'retry-after',
    'allow',
    'www-authenticate',
    'access-control-allow-origin',
    'access-control-expose-headers',
    'vary',
    'connection',
    'upgrade',
    'sec-websocket-accept',
    'sec-websocket-protocol',
    'sec-websocket-version',
  ];

  /** The headers of an answer as they came, in lower case. */
  async function headersOf(request: string): Promise<Record<string, string>> {
    const client = await RawClient.open(gateway.port);
    client.send(request);
    await client.until(() => client.text.includes('\r\n\r\n'));
    client.destroy();
    const lines = client.text
      .slice(0, Math.max(client.text.indexOf('\r\n\r\n'), 0))
      .split('\r\n')
      .slice(1);
    return Object.fromEntries(lines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line]));
  }

  function expectOwn(headers: Record<string, string>): void {
    expect(Object.keys(headers).filter((name) => !OWN_HEADERS.includes(name))).toEqual([]);
    for (const line of Object.values(headers)) expect(line).toMatch(/^[\t -~]*$/);
  }

  test('whatever a stream is called', { timeout: 60_000 }, async () => {
    let answered = 0;
    await fc.assert(
      fc.asyncProperty(evilText, async (text) => {
        const name = encodeURIComponent(`n${text}`.toWellFormed());
        await fetch(`${gateway.http}/data/${name}`, { method: 'POST', body: 'x' });
        const query = 'last_entry_id=0&block=-1&keep_device_id_in_stream_id=1';
        const headers = await headersOf(`GET /data/${name}?${query} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
        expectOwn(headers);
        if (headers['x-offsets'] !== undefined) answered++;
      }),
      { numRuns: 80 },
    );
    expect(answered).toBeGreaterThan(5);
  });

  test.each([
    '/data/x%0d%0aX-Injected:%20yes',
    '/data/x?last_entry_id=1-1%0d%0aX-Injected:%20yes',
    '/data/x?device_id=%0d%0aX-Injected:%20yes',
    '/data/x?%0d%0aX-Injected:%20yes=1',
    '/%0d%0aX-Injected:%20yes',
    '/graphql?query=%0d%0aX-Injected:%20yes',
    '/data/x?last_entry_id=%E5%90%8D',
    '/data/\xe9\xff',
  ])('whatever is asked for: %s', async (path) => {
    for (const method of ['GET', 'POST', 'HEAD', 'OPTIONS']) {
      const headers = await headersOf(
        `${method} ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n`,
      );
      expectOwn(headers);
      expect(headers).toHaveProperty('date');
    }
  });

  test.each([
    'Origin: http://localhost\tX-Injected: yes',
    'Origin: http://localhost:1\xe9',
    'Accept: application/msgpack\x7f',
  ])('whatever a header says: %j', async (line) => {
    expectOwn(await headersOf(`GET /data/x?block=-1 HTTP/1.1\r\nHost: localhost\r\n${line}\r\n\r\n`));
  });

  test.each(['a b', 'a\tb', 'a;b', '"a"', '\xe9'])('whatever subprotocol is offered: %j', async (name) => {
    const client = await openRaw(gateway.port, '/data/x/push', `Sec-WebSocket-Protocol: ${name}\r\n`);
    expect(client.text).not.toMatch(/^sec-websocket-protocol: *\S/im);
    client.destroy();
  });
});
