/**
 * Requests that two servers could read in two ways, and others that no library would send: whatever comes,
 * the gateway acts on none of it twice, and on nothing that it takes for malformed.
 */
import { describe, expect, test } from 'vitest';
import { IS_NEWER_BUILD } from '../../src/system/library-build.js';
import { startForFile } from '../support/gateway-fixture.js';
import { RawClient, upgradeRequest } from '../support/raw-client.js';

const { redis, gateway } = await startForFile();

/** Silence that lasts so long is taken for all there is: the library waits for more, and cuts after 10 s. */
const SILENCE_MS = 150;
/** Waits for an answer that is still on its way, where one is due. */
const DUE_MS = 5000;

/** The request that must not slip through, inside another. */
const SMUGGLED = 'POST /data/smuggled HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\ny';

/** A POST to a stream of its own; `rest` is its headers, the empty line and what follows. */
const post = (rest: string) => `POST /data/first HTTP/1.1\r\nHost: localhost\r\n${rest}`;

interface Outcome {
  /** Entries of the first request and of the one that was hidden in it. */
  readonly stored: readonly [first: number, smuggled: number];
  readonly statuses: readonly number[];
  /** The connection was closed by the gateway. */
  readonly isClosed: boolean;
}

async function send(request: string | readonly string[], answers: number): Promise<Outcome> {
  await redis.client.flushall();
  const client = await RawClient.open(gateway.port);
  for (const packet of [request].flat()) await client.flush(packet);
  const silence = (ms: number) =>
    Promise.race([client.until(() => false), new Promise((resolve) => setTimeout(resolve, ms).unref())]);
  if (answers > 0) {
    await Promise.race([
      client.until(() => client.statuses.length >= answers),
      new Promise((resolve) => setTimeout(resolve, DUE_MS).unref()),
    ]);
  }
  await silence(SILENCE_MS);
  const isClosed = client.hasEnded;
  client.destroy();
  return { stored: await storedCounts(), statuses: client.statuses, isClosed };
}

/** How many entries there are of the first request, and of the one that hides behind it. */
const storedCounts = async () =>
  (await Promise.all(['default:first', 'default:smuggled'].map((key) => redis.client.xlen(key)))) as [
    number,
    number,
  ];

const TE = 'Transfer-Encoding: chunked\r\n';
const CHUNKED = '\r\n1\r\nx\r\n0\r\n\r\n';

/** What must be closed or refused; nothing of it is stored, and nothing that hides behind it. */
const REFUSED: Readonly<Record<string, string | readonly string[]>> = {
  'Content-Length and Transfer-Encoding': post(`Content-Length: 5\r\n${TE}\r\n0\r\n\r\n${SMUGGLED}`),
  'Transfer-Encoding and Content-Length': post(`${TE}Content-Length: 5\r\n\r\n0\r\n\r\n${SMUGGLED}`),
  'two equal Content-Lengths': post(`Content-Length: 1\r\nContent-Length: 1\r\n\r\nx${SMUGGLED}`),
  'two different Content-Lengths': post(`Content-Length: 1\r\nContent-Length: 2\r\n\r\nxy${SMUGGLED}`),
  'the longer Content-Length first': post(`Content-Length: 90\r\nContent-Length: 1\r\n\r\nx${SMUGGLED}`),
  'a list of Content-Lengths': post(`Content-Length: 1, 1\r\n\r\nx${SMUGGLED}`),
  'an empty Content-Length': post(`Content-Length:\r\n\r\n${SMUGGLED}`),
  'a signed Content-Length': post(`Content-Length: +1\r\n\r\nx${SMUGGLED}`),
  'a negative Content-Length': post(`Content-Length: -1\r\n\r\nx${SMUGGLED}`),
  'a hexadecimal Content-Length': post(`Content-Length: 0x1\r\n\r\nx${SMUGGLED}`),
  'a Content-Length beyond 64 bits': post(`Content-Length: ${'9'.repeat(30)}\r\n\r\nx${SMUGGLED}`),
  'a Content-Length beyond 32 bits': post(`Content-Length: 4294967297\r\n\r\nx${SMUGGLED}`),
  'a space before the colon': post(`Content-Length : 1\r\n\r\nx${SMUGGLED}`),
  'no length': post(`\r\n${SMUGGLED}`),
  chunked: post(TE + CHUNKED + SMUGGLED),
  xchunked: post(`Transfer-Encoding: xchunked\r\n${CHUNKED}${SMUGGLED}`),
  'chunked, identity': post(`Transfer-Encoding: chunked, identity\r\n${CHUNKED}${SMUGGLED}`),
  'chunked twice': post(TE + TE + CHUNKED + SMUGGLED),
  'a tab before chunked': post(`Transfer-Encoding:\tchunked\r\n${CHUNKED}${SMUGGLED}`),
  'a vertical tab before chunked': post(`Transfer-Encoding:\x0bchunked\r\n${CHUNKED}${SMUGGLED}`),
  'a space before the colon of chunked': post(`Transfer-Encoding : chunked\r\n${CHUNKED}${SMUGGLED}`),
  'upper case': post(`TRANSFER-ENCODING: CHUNKED\r\n${CHUNKED}${SMUGGLED}`),
  'a chunk with a bad end': post(`${TE}\r\n1\r\nxy\r\n0\r\n\r\n${SMUGGLED}`),
  'a chunk without an end': post(`${TE}\r\n1\r\nx0\r\n\r\n${SMUGGLED}`),
  'a chunk with an extension': post(`${TE}\r\n1;a=b\r\nx\r\n0\r\n\r\n${SMUGGLED}`),
  'a chunk of negative size': post(`${TE}\r\n-1\r\nx\r\n0\r\n\r\n${SMUGGLED}`),
  'a chunk of a size beyond 64 bits': post(`${TE}\r\n10000000000000001\r\nx\r\n0\r\n\r\n${SMUGGLED}`),
  'chunk trailers': post(`${TE}\r\n1\r\nx\r\n0\r\nContent-Length: 5\r\n\r\n${SMUGGLED}`),
  'chunks behind the headers': [post(`${TE}\r\n`), `1\r\nx\r\n0\r\n\r\n${SMUGGLED}`],
  'a folded header': post(`X-A: a\r\n b\r\nContent-Length: 1\r\n\r\nx${SMUGGLED}`),
  'a folded Transfer-Encoding': post(`Transfer-Encoding:\r\n chunked\r\n${CHUNKED}${SMUGGLED}`),
  'a folded header that hides one': post(`X-A: a\r\n Transfer-Encoding: chunked\r\n${CHUNKED}${SMUGGLED}`),
  'bare line feeds': post(`Content-Length: 1\r\n\r\nx${SMUGGLED}`).replaceAll('\r\n', '\n'),
  'a bare line feed in a value': post(`X-A: a\nContent-Length: 5\r\nContent-Length: 1\r\n\r\nx${SMUGGLED}`),
  'a bare line feed before chunked': post(`X-A: a\n${TE}Content-Length: 1\r\n\r\nx${SMUGGLED}`),
  'a bare carriage return in a value': post(`X-A: a\r${TE}Content-Length: 1\r\n\r\nx${SMUGGLED}`),
  'a NUL in a value': post(`X-A: a\0b\r\nContent-Length: 1\r\n\r\nx${SMUGGLED}`),
  'a NUL in a name': post(`X\0A: a\r\nContent-Length: 1\r\n\r\nx${SMUGGLED}`),
  'a name that is not ASCII': post(`X\xe9: a\r\nContent-Length: 1\r\n\r\nx${SMUGGLED}`),
  'a line without a colon': post(`foo\r\nContent-Length: 1\r\n\r\nx${SMUGGLED}`),
  'a space before the first header': `POST /data/first HTTP/1.1\r\n Host: localhost\r\nContent-Length: 1\r\n\r\nx${SMUGGLED}`,
  'a space before the method': ` ${post(`Content-Length: 1\r\n\r\nx${SMUGGLED}`)}`,
  'two Hosts': post(`Host: evil.test\r\nContent-Length: 1\r\n\r\nx${SMUGGLED}`),
  'two Hosts in different case': post(`HOST: localhost\r\nContent-Length: 1\r\n\r\nx${SMUGGLED}`),
  'no Host': `POST /data/first HTTP/1.1\r\nContent-Length: 1\r\n\r\nx${SMUGGLED}`,
  'two Authorizations': post(
    `Authorization: Bearer a\r\nAuthorization: Bearer b\r\nContent-Length: 1\r\n\r\nx${SMUGGLED}`,
  ),
  'two Origins': post(
    `Origin: http://localhost\r\nOrigin: http://evil.test\r\nContent-Length: 1\r\n\r\nx${SMUGGLED}`,
  ),
  'two Origins, the bad one first': post(
    `Origin: http://evil.test\r\nOrigin: http://localhost\r\nContent-Length: 1\r\n\r\nx${SMUGGLED}`,
  ),
  'too many headers': post(`${'X-A: a\r\n'.repeat(200)}Content-Length: 1\r\n\r\nx${SMUGGLED}`),
  'too many headers before chunked': post(
    `Content-Length: 1\r\n${'X: a\r\n'.repeat(200)}${TE}\r\nx${SMUGGLED}`,
  ),
  'HTTP/1.0': post(`Content-Length: 1\r\n\r\nx${SMUGGLED}`).replace('HTTP/1.1', 'HTTP/1.0'),
  'HTTP/2.0': post(`Content-Length: 1\r\n\r\nx${SMUGGLED}`).replace('HTTP/1.1', 'HTTP/2.0'),
  'HTTP/1.1x': post(`Content-Length: 1\r\n\r\nx${SMUGGLED}`).replace('HTTP/1.1', 'HTTP/1.1x'),
  "HTTP/2's greeting": `PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n${SMUGGLED}`,
  'an absolute address': `POST http://localhost/data/first HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\nx`,
  'a TLS greeting': '\x16\x03\x01\x00\x05\x01\x00\x00\x01\x03',
  "a proxy's line": `PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\n${post('Content-Length: 1\r\n\r\nx')}`,
};

describe('what can be read in two ways is not acted on', () => {
  test.each(Object.entries(REFUSED))('%s', async (_, request) => {
    const { stored, statuses } = await send(request, 0);
    expect(stored).toEqual([0, 0]);
    expect(statuses.filter((status) => status < 400)).toEqual([]);
    expect(statuses.length).toBeLessThanOrEqual(1);
  });

  const TWO_HOSTS = 'Host: b\r\n';
  const AMBIGUOUS = [
    TE,
    'Content-Length: 0\r\nContent-Length: 0\r\n',
    TWO_HOSTS,
    'Origin: a\r\nOrigin: b\r\n',
  ];
  /** The newer build itself answers a second Host; else the gateway closes the connection without an answer. */
  const closedAfter = (bad: string) => ({
    stored: [0, 0],
    statuses: IS_NEWER_BUILD && bad === TWO_HOSTS ? [400] : [],
    isClosed: true,
  });

  /** Every kind of handler: endpoints with a body and without, methods that none has, the catch-all. */
  test.each([
    'GET /healthz',
    'GET /data/first?block=-1',
    'POST /graphql',
    'GET /graphql',
    'OPTIONS /data/first',
    'DELETE /data/first',
    'GET /',
    'GET /nothing',
    'POST /nothing',
    'GET /graphiql/assets/x',
    'GET /live/assets/x',
    'GET /docs',
    'GET /docs/assets/x',
    'GET /openapi.json',
    'GET /data/first/push',
    'GET /data/first/pull',
    'GET /metrics',
  ])('%s, at any address', async (line) => {
    for (const bad of AMBIGUOUS) {
      const request = `${line} HTTP/1.1\r\nHost: localhost\r\n${bad}\r\n0\r\n\r\n${SMUGGLED}`;
      expect(await send(request, 0)).toEqual(closedAfter(bad));
    }
  });

  test.each(['/data/first/push?header=0', '/data/first/pull', '/graphql'])(
    'an upgrade of %s',
    async (path) => {
      const protocol = path === '/graphql' ? 'Sec-WebSocket-Protocol: graphql-transport-ws\r\n' : '';
      for (const bad of AMBIGUOUS) {
        const request = upgradeRequest(path, bad + protocol) + SMUGGLED;
        expect(await send(request, 0)).toEqual(closedAfter(bad));
      }
      const withBody = upgradeRequest(path, `Content-Length: ${SMUGGLED.length}\r\n${protocol}`) + SMUGGLED;
      expect(await send(withBody, 1)).toMatchObject({ stored: [0, 0], statuses: [400] });
    },
  );
});

/** What a server reads in one way only: each request once. */
const READ: Readonly<
  Record<string, readonly [request: string | readonly string[], stored: number, statuses: readonly number[]]>
> = {
  'a body': [post('Content-Length: 1\r\n\r\nx'), 1, [200]],
  'a body that is a request': [post(`Content-Length: ${SMUGGLED.length}\r\n\r\n${SMUGGLED}`), 1, [200]],
  'a body in many packets': [[post('Content-Length: 3\r\n\r\n'), 'x', 'y', 'z'], 1, [200]],
  'headers byte by byte': [
    ['POST /data/first HTTP/1.1\r\n', ...'Host: localhost\r\nContent-Length: 1\r\n\r\nx'],
    1,
    [200],
  ],
  'a GET with a body that is a request': [
    `GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${SMUGGLED.length}\r\n\r\n${SMUGGLED}`,
    0,
    [200],
  ],
  'a HEAD with such a body': [
    `HEAD /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${SMUGGLED.length}\r\n\r\n${SMUGGLED}`,
    0,
    [200],
  ],
  'a refused request with such a body': [
    `POST /nothing HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${SMUGGLED.length}\r\n\r\n${SMUGGLED}`,
    0,
    [404],
  ],
  'a body that is too large': [post(`Content-Length: ${2 ** 40}\r\n\r\n${SMUGGLED}`), 0, [413]],
  'an encoded body': [
    post(`Content-Encoding: gzip\r\nContent-Length: ${SMUGGLED.length}\r\n\r\n${SMUGGLED}`),
    0,
    [415],
  ],
  'a space behind the length': [post('Content-Length: 1 \r\n\r\nx'), 1, [200]],
  'a zero before the length': [post('Content-Length: 01\r\n\r\nx'), 1, [200]],
  'Expect: 100-continue': [post('Expect: 100-continue\r\nContent-Length: 1\r\n\r\nx'), 1, [100, 200]],
  'three GETs at once': ['GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n'.repeat(3), 0, [200, 200, 200]],
};

describe('what can be read in one way only is read once', () => {
  test.each(Object.entries(READ))('%s', async (_, [request, stored, statuses]) => {
    expect(await send(request, statuses.length)).toMatchObject({ stored: [stored, 0], statuses });
  });
});

test('of writes that come at once no one is stored twice, and none after the first without an answer', async () => {
  const { isClosed } = await send(
    `${post('Content-Length: 1\r\n\r\nx')}${post('Content-Length: 1\r\n\r\nx')}${SMUGGLED}`,
    0,
  );
  // The library closes a connection on which a request comes before the last one was answered.
  expect(isClosed).toBe(true);
  // At once, so that the first entry may not be in Redis yet.
  await expect.poll(storedCounts).toEqual([1, 0]);
});

test('a request whose length stands behind a nameless header is refused, and what follows not read', async () => {
  // The library takes such a header for the last.
  const { stored, statuses, isClosed } = await send(
    post(`: a\r\nContent-Length: ${SMUGGLED.length}\r\n\r\n${SMUGGLED}`),
    0,
  );
  expect(stored).toEqual([0, 0]);
  expect(statuses.filter((status) => status < 400)).toEqual([]);
  expect(isClosed).toBe(true);
});

test('after all that the gateway serves as before', async () => {
  expect(await send(post('Content-Length: 1\r\n\r\nx'), 1)).toMatchObject({
    stored: [1, 0],
    statuses: [200],
  });
  expect(await gateway.metric('requests')).toBe(1);
});
