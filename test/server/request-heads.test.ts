/** How long a request's first line and headers may be, and in how many packets they may come. */
import { readFile } from 'node:fs/promises';
import { setImmediate } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { IS_NEWER_BUILD } from '../../src/system/library-build.js';
import { startForFile } from '../support/gateway-fixture.js';
import { RawClient } from '../support/raw-client.js';

const { gateway } = await startForFile();

const KIB = 1024;

const withHeader = (bytes: number) =>
  `GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Long: ${'a'.repeat(bytes)}\r\n\r\n`;
const withQuery = (bytes: number) =>
  `GET /healthz?x=${'a'.repeat(bytes)} HTTP/1.1\r\nHost: localhost\r\n\r\n`;

/** In pieces of the given sizes in bytes, and one with the rest. */
function cut(text: string, ...sizes: number[]): string[] {
  const pieces: string[] = [];
  for (const size of sizes) {
    pieces.push(text.slice(0, size));
    text = text.slice(size);
  }
  return [...pieces, text];
}

/** An end of a connection as /proc/net/tcp shows it. */
const shown = (port: number) => `0100007F:${port.toString(16).toUpperCase().padStart(4, '0')}`;

/** Resolves once the gateway has read all that was sent, so that the next packet is read apart from it. */
async function whenRead(client: RawClient): Promise<void> {
  const [here, there] = [client.socket.localPort, gateway.port];
  while (here !== undefined && !client.hasEnded) {
    const table = await readFile('/proc/net/tcp', 'utf8');
    const sending = new RegExp(`${shown(here)} ${shown(there)} \\w+ (\\w+):`).exec(table)?.[1];
    const unread = new RegExp(`${shown(there)} ${shown(here)} \\w+ \\w+:(\\w+)`).exec(table)?.[1];
    if (Number(`0x${sending}`) === 0 && Number(`0x${unread}`) === 0) return;
    await setImmediate();
  }
}

async function statusOf(...packets: string[]): Promise<number> {
  const client = await RawClient.open(gateway.port);
  for (const packet of packets) {
    await client.flush(packet);
    await whenRead(client);
  }
  await client.until(() => client.statuses.length > 0);
  client.destroy();
  return client.statuses[0] ?? 0;
}

describe('in one packet', () => {
  test.each([
    ['a header', withHeader],
    ['a query', withQuery],
  ])('%s of 30 KiB is accepted', async (_, request) => {
    expect(await statusOf(request(30 * KIB))).toBe(200);
  });

  test.each([
    ['a header', withHeader],
    ['a query', withQuery],
  ])('%s of 40 KiB may be accepted with Node.js 20, and is refused with later ones', async (_, request) => {
    // A sender's system lets half of a window go before it has all: 32 KiB on a connection that is new.
    expect(IS_NEWER_BUILD ? [431] : [200, 431, 505]).toContain(await statusOf(request(40 * KIB)));
  });
});

describe('in several packets', () => {
  /** What Node.js 20 accepts depends on where the packets end. */
  const possible = (refusal: number) => (IS_NEWER_BUILD ? [200] : [200, refusal]);

  test('a first line is accepted; with Node.js 20 it may be refused', async () => {
    const request = withQuery(2 * KIB);
    for (const sizes of [[1], [1000], [1000, 1000], [2100]]) {
      expect(possible(505)).toContain(await statusOf(...cut(request, ...sizes)));
    }
  });

  test('headers of 3 KiB are accepted', async () => {
    expect(await statusOf(...cut(withHeader(3 * KIB), 1000, 1000, 1000))).toBe(200);
  });

  test('headers of 30 KiB are accepted; with Node.js 20 they may be refused', async () => {
    const request = withHeader(30 * KIB);
    for (const sizes of [[1000], [1000, 20_000], [20_000]]) {
      expect(possible(431)).toContain(await statusOf(...cut(request, ...sizes)));
    }
  });
});
