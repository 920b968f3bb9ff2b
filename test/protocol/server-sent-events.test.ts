import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  entryEvent,
  gapEvent,
  jsonEvent,
  lastEvent,
  MAX_EVENT_BYTES,
  openingEvent,
} from '../../src/protocol/server-sent-events.js';

/** What an EventSource makes of a stream of events. Source: HTML, 9.2.6 */
function dispatch(stream: string): { id: string; type: string; data: string }[] {
  const events: { id: string; type: string; data: string }[] = [];
  let [id, type, data] = ['', '', ''];
  for (const line of stream.split(/\r\n|\r|\n/)) {
    if (line === '') {
      if (data !== '') events.push({ id, type: type || 'message', data: data.slice(0, -1) });
      [type, data] = ['', ''];
      continue;
    }
    const colon = line.indexOf(':');
    if (colon === 0) continue;
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (field === 'id') id = value;
    else if (field === 'event') type = value;
    else if (field === 'data') data += `${value}\n`;
  }
  return events;
}

const joined = (parts: readonly (string | Uint8Array)[]) =>
  Buffer.concat(parts.map((part) => Buffer.from(part as never))).toString();
const bytes = (text: string) => new TextEncoder().encode(text);

test('any text arrives as one event, as it is or as base64', () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.oneof(fc.string({ unit: 'grapheme' }), fc.constantFrom('\n', '\r', '\r\n', 'data: ', ':', ' ')),
      ),
      (parts) => {
        const text = parts.join('');
        const events = dispatch(joined(entryEvent(undefined, '1-0', bytes(text), false)));
        expect(events).toEqual([
          text.includes('\r')
            ? { id: '1-0', type: 'binary', data: Buffer.from(text).toString('base64') }
            : { id: '1-0', type: 'message', data: text },
        ]);
      },
    ),
  );
});

test('any bytes arrive as text or as base64', () => {
  fc.assert(
    fc.property(fc.uint8Array(), (payload) => {
      const [event] = dispatch(joined(entryEvent('cam', '1-0', payload, false)));
      if (event!.type === 'cam+binary') expect(Buffer.from(event!.data, 'base64').equals(payload)).toBe(true);
      else expect(event).toEqual({ id: '1-0', type: 'cam', data: Buffer.from(payload).toString() });
    }),
  );
});

test('text without line breaks is not copied', () => {
  const payload = bytes('{"x": 1}');
  expect(entryEvent(undefined, '1-0', payload, false)[1]).toBe(payload);
});

test('what is too large is told of', () => {
  const payload = new Uint8Array(MAX_EVENT_BYTES + 1);
  expect(joined(entryEvent(undefined, '1-0', payload, false))).toBe(
    `id: 1-0\nevent: large\ndata: {"bytes":${MAX_EVENT_BYTES + 1}}\n\n`,
  );
});

test('an event of the gateway is one line of JSON', () => {
  expect(jsonEvent('gap', { stream: 'a\nb' })).toBe('event: gap\ndata: {"stream":"a\\nb"}\n\n');
});

test('the first event brings the cursor, and data without which some clients forget it', () => {
  expect(openingEvent('1-0+2-0', 1000)).toBe('retry: 1000\nid: 1-0+2-0\nevent: cursor\ndata: {}\n\n');
});

test('the others are told by their names', () => {
  expect(gapEvent({ after: '1-0' })).toBe('event: gap\ndata: {"after":"1-0"}\n\n');
  expect(lastEvent(undefined)).toBe('event: complete\ndata: {}\n\n');
  expect(lastEvent({ code: 'x' })).toBe('event: error\ndata: {"code":"x"}\n\n');
});

test('an entry of the largest size is sent', () => {
  const [event] = dispatch(joined(entryEvent(undefined, '1-0', new Uint8Array(MAX_EVENT_BYTES), false)));
  expect(event).toMatchObject({ type: 'message' });
});

test('a line feed begins another line of data', () => {
  expect(joined(entryEvent(undefined, '1-0', bytes('a\nb\n'), false))).toBe(
    'id: 1-0\ndata: a\ndata: b\ndata: \n\n',
  );
});

test.each([
  [undefined, 'text', undefined],
  ['cam', 'text', 'cam'],
  // An EventSource could not tell these from its own or the gateway's.
  ...['cursor', 'gap', 'complete', 'error', 'binary', 'large', 'open', 'message'].map(
    (name) => [name, 'text', `${name}+text`] as const,
  ),
  [undefined, 'declared binary', 'binary'],
  ['cam', 'declared binary', 'cam+binary'],
] as const)('an entry of stream %s that is %s is an event %s', (stream, kind, name) => {
  const event = joined(entryEvent(stream, '1-0', bytes('x'), kind === 'declared binary'));
  expect(/^event: (.*)$/m.exec(event)?.[1]).toBe(name);
});
