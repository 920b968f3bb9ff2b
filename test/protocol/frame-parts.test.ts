import { expect, test } from 'vitest';
import { FRAME_PARTS, type PartWriting, SHOWN_PARTS, WHOLE_PARTS } from '../../src/protocol/frame-parts.js';

const boundary = /^multipart\/x-mixed-replace; boundary=(frame-[\w-]+)$/.exec(FRAME_PARTS)![1]!;

/** A stream of frames as text, with a filler before the first, and a short name for the boundary. */
const written = ({ opening, filler, part }: PartWriting) =>
  [
    opening,
    filler,
    ...part('image/png', '1-0', Buffer.from('a')),
    ...part('image/gif', '2-0', Buffer.from('bc')),
  ]
    .map((piece) => Buffer.from(piece as string).toString())
    .join('')
    .replaceAll(boundary, 'B')
    .split('\r\n');

test('for programs each part says all of itself', () => {
  expect(written(WHOLE_PARTS)).toEqual([
    ...['--B', 'X-Filler: 0'],
    ...['Content-Type: image/png', 'Content-Length: 1', 'X-Entry-Id: 1-0', '', 'a', '--B'],
    ...['Content-Type: image/gif', 'Content-Length: 2', 'X-Entry-Id: 2-0', '', 'bc', '--B', ''],
  ]);
});

test('for browsers the head of the next part comes with each frame', () => {
  expect(written(SHOWN_PARTS)).toEqual([
    ...['--B', 'Content-Type: image/jpeg', '', 'a'],
    ...['--B', 'Content-Type: image/png', '', 'bc'],
    ...['--B', 'Content-Type: image/gif', '', ''],
  ]);
});
