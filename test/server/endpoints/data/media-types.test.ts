/** What a payload is must be the same at every address: one table for all of them. */
import sharp from 'sharp';
import { describe, expect, onTestFinished, test } from 'vitest';
import { startForFile } from '../../../support/gateway-fixture.js';
import { postEntries } from '../../../support/http.js';
import { nextFrame, OpenAnswer } from '../../../support/open-answer.js';

const { gateway } = await startForFile();

const whole = await sharp({ create: { width: 64, height: 48, channels: 3, background: '#c30' } })
  .jpeg()
  .toBuffer();
const JPEG = 'image/jpeg';
const JSON_TYPE = 'application/json';
const TEXT = 'text/plain; charset=utf-8';
const BYTES = 'application/octet-stream';

interface Payload {
  readonly name: string;
  readonly bytes: Buffer;
  readonly type: string;
  /** As GraphQL gives them; unset: null. */
  readonly json?: unknown;
  readonly text?: string;
}

const PAYLOADS: readonly Payload[] = [
  { name: 'a JPEG', bytes: whole, type: JPEG },
  { name: 'a JPEG without its end mark', bytes: whole.subarray(0, -2), type: JPEG },
  { name: 'a JPEG of which half is missing', bytes: whole.subarray(0, whole.length / 2), type: JPEG },
  { name: 'JSON', bytes: Buffer.from('{"x":1}'), type: JSON_TYPE, json: { x: 1 }, text: '{"x":1}' },
  {
    name: 'JSON behind a byte order mark',
    bytes: Buffer.from('\uFEFF{"x":1}'),
    type: JSON_TYPE,
    json: { x: 1 },
    text: '\uFEFF{"x":1}',
  },
  {
    name: 'JSON with DEL in it',
    bytes: Buffer.from('"a\u007f"'),
    type: JSON_TYPE,
    json: 'a\u007f',
    text: '"a\u007f"',
  },
  { name: 'two byte order marks', bytes: Buffer.from('\uFEFF\uFEFF1'), type: TEXT, text: '\uFEFF\uFEFF1' },
  {
    name: 'a byte order mark behind white space',
    bytes: Buffer.from(' \uFEFF1'),
    type: TEXT,
    text: ' \uFEFF1',
  },
  { name: 'text', bytes: Buffer.from('on'), type: TEXT, text: 'on' },
  { name: 'bytes', bytes: Buffer.from([0xff, 0, 1]), type: BYTES },
];

describe.each(PAYLOADS)('$name', ({ name, bytes, type, json = null, text = null }) => {
  const sid = name.replaceAll(' ', '-');
  const stored = postEntries(`${gateway.http}/data/${sid}`, new Uint8Array(bytes));

  test('latest', async () => {
    await stored;
    const answer = await fetch(`${gateway.http}/data/${sid}/latest`);
    expect(answer.headers.get('content-type')).toBe(type);
    expect(Buffer.from(await answer.arrayBuffer())).toEqual(bytes);
  });

  test('mjpeg', async () => {
    await stored;
    const answer = await OpenAnswer.open(gateway, `/data/${sid}/mjpeg`);
    onTestFinished(() => answer.leave());
    const [, boundary] = /boundary=(.+)$/.exec(answer.response.headers['content-type']!)!;
    await answer.until('\r\n');
    expect(await nextFrame(answer, boundary!)).toMatchObject({ type, bytes });
  });

  test('GraphQL', async () => {
    await stored;
    const query = `query ($id: String!) { stream(id: $id) { lastEntryJson lastEntryString lastEntryData } }`;
    const answer = await fetch(`${gateway.http}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ query, variables: { id: sid } }),
    });
    const { data } = (await answer.json()) as { data: { stream: unknown } };
    expect(data.stream).toEqual({
      lastEntryJson: json,
      lastEntryString: text,
      lastEntryData: bytes.toString('base64'),
    });
  });
});
