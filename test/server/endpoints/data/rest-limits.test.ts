/** How large a body may be, at the smallest MAX_PAYLOAD_BYTES and at the default, in both directions. */
import { randomFillSync } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startForFile } from '../../../support/gateway-fixture.js';
import { type GatewayProcess, startGatewayProcess } from '../../../support/gateway-process.js';
import { FORM_TYPE, formBody, postEntries, readEntries, refused, sendRaw } from '../../../support/http.js';

// On a Redis without a file to write to: a slow disk would hold it up for longer than the gateway waits.
const { gateway: unlimited } = await startForFile();

const MIB = 1024 * 1024;
const post = (address: string, body: Buffer<ArrayBuffer>, headers = {}) =>
  fetch(address, { method: 'POST', body, headers });

describe('a small limit', () => {
  const LIMIT = 1024;
  let gateway: GatewayProcess;

  beforeAll(async () => {
    gateway = await startGatewayProcess({ MAX_PAYLOAD_BYTES: String(LIMIT) });
  });

  afterAll(() => gateway?.stop());

  test('a body of just that size is taken, one byte more is not', async () => {
    const address = `${gateway.http}/data/raw`;
    await postEntries(address, Buffer.alloc(LIMIT, 'x'));
    const answer = await refused(await post(address, Buffer.alloc(LIMIT + 1)));
    expect(answer).toMatchObject({ status: 413, code: 'payload_too_large' });
    expect(answer.error).toContain(String(LIMIT));
    const { entries } = await readEntries(`${address}?last_entry_id=0&count=9`);
    expect(entries.map((entry) => entry[2])).toEqual(['x'.repeat(LIMIT)]);
  });

  test('so is a form, whose framing counts', async () => {
    const address = `${gateway.http}/data/form`;
    const framing = formBody(['form-data; name="entries"', '']).length;
    const form = (bytes: number) => formBody(['form-data; name="entries"', 'x'.repeat(bytes - framing)]);
    await postEntries(address, form(LIMIT), { 'content-type': FORM_TYPE });
    const answer = await refused(await post(address, form(LIMIT + 1), { 'content-type': FORM_TYPE }));
    expect(answer).toMatchObject({ status: 413, code: 'payload_too_large' });
  });

  test('a body far beyond is refused without waiting for it', async () => {
    const request = `POST /data/raw HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${1024 * MIB}\r\n\r\n`;
    const answer = await sendRaw(gateway.port, request);
    expect(answer?.status).toBe(413);
    expect(JSON.parse(answer!.body)).toMatchObject({ code: 'payload_too_large' });
  });

  test('a body a little beyond is read to its end, so that its sender reads the refusal', async () => {
    const answer = await refused(await post(`${gateway.http}/data/raw`, Buffer.alloc(20 * MIB)));
    expect(answer).toMatchObject({ status: 413, code: 'payload_too_large' });
  });

  test('a length that is no number is not taken', async () => {
    for (const length of ['abc', '-1', '1e3', '0x10', '18446744073709551616']) {
      const request = `POST /data/raw HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${length}\r\n\r\n`;
      const answer = await sendRaw(gateway.port, request);
      expect([undefined, 400, 413]).toContain(answer?.status);
    }
    expect((await fetch(`${gateway.http}/healthz`)).status).toBe(200);
  });
});

describe('the default limit', () => {
  const DEFAULT_LIMIT = 64 * MIB;
  async function readBody(address: string): Promise<Buffer> {
    const response = await fetch(address);
    expect(response.status).toBe(200);
    return Buffer.from(await response.arrayBuffer());
  }

  test('60 MB go in and come out again', async () => {
    const address = `${unlimited.http}/data/big`;
    const frame = randomFillSync(Buffer.alloc(60_000_000));
    await postEntries(address, frame);
    expect(frame.equals(await readBody(`${address}?last_entry_id=0`))).toBe(true);
  });

  test('60 MB go in as a form', async () => {
    const address = `${unlimited.http}/data/big-form`;
    const frames = [20, 30, 10].map((size) => randomFillSync(Buffer.alloc(size * 1_000_000)));
    const form = formBody(...frames.map((frame) => ['form-data; name="entries"', frame] as const));
    await postEntries(address, form, { 'content-type': FORM_TYPE });
    let cursor = '0';
    for (const frame of frames) {
      const response = await fetch(`${address}?last_entry_id=${cursor}`);
      expect(frame.equals(Buffer.from(await response.arrayBuffer()))).toBe(true);
      cursor = response.headers.get('x-last-entry-id')!;
    }
  });

  test('64 MiB are taken, one byte more is not', async () => {
    const address = `${unlimited.http}/data/limit`;
    await postEntries(address, Buffer.alloc(DEFAULT_LIMIT));
    const answer = await refused(await post(address, Buffer.alloc(DEFAULT_LIMIT + 1)));
    expect(answer).toMatchObject({ status: 413, code: 'payload_too_large' });
    expect((await readBody(`${address}?last_entry_id=0&count=9`)).length).toBe(DEFAULT_LIMIT);
  });

  test('a large answer ends early, and its cursor leads on', async () => {
    const address = `${unlimited.http}/data/many`;
    const ids: string[] = [];
    for (let number = 0; number < 24; number++)
      ids.push(...(await postEntries(address, Buffer.alloc(MIB, number))));
    const seen: string[] = [];
    let answers = 0;
    for (let cursor = '0'; seen.length < ids.length; answers++) {
      const response = await fetch(`${address}?count=100&last_entry_id=${cursor}`);
      const rows = JSON.parse(response.headers.get('x-offsets')!) as [string, string, number][];
      const body = Buffer.from(await response.arrayBuffer());
      expect(body.length).toBe(rows.length * MIB);
      for (const [, id, start] of rows) {
        expect(body[start]).toBe(seen.length);
        seen.push(id);
      }
      cursor = response.headers.get('x-last-entry-id')!;
      expect(cursor).toBe(seen.at(-1));
    }
    expect(seen).toEqual(ids);
    expect(answers).toBeGreaterThan(1);
    expect(answers).toBeLessThan(ids.length / 4);
  });

  test('a client that leaves in the midst of a large answer or body harms nobody', async () => {
    const abort = new AbortController();
    const response = await fetch(`${unlimited.http}/data/big?last_entry_id=0`, { signal: abort.signal });
    await response.body!.getReader().read();
    abort.abort();
    const half = `POST /data/half HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${MIB}\r\n\r\nonly a part`;
    const socket = connect(unlimited.port, '127.0.0.1', () => socket.write(half, () => socket.destroy()));
    await once(socket, 'close');
    await postEntries(`${unlimited.http}/data/half`, 'whole');
    const { entries } = await readEntries(`${unlimited.http}/data/half?last_entry_id=0&count=9`);
    expect(entries.map((entry) => entry[2])).toEqual(['whole']);
  });
});
