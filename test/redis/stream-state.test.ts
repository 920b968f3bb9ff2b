/** What XINFO STREAM proves about a read that went on from a place in a stream. */
import { expect, test } from 'vitest';
import { mayHaveMissed, type StreamState } from '../../src/redis/stream-state.js';

/** Five entries were ever added, of which the last three are there. */
const STATE: StreamState = {
  length: 3,
  added: 5,
  lastId: '5-0',
  firstId: '3-0',
  maxDeletedId: '0-0',
};

test.each([
  ['the count is exact', { after: '3-0', added: 3, entries: 2, lastId: '5-0' }, {}, false],
  ['more were added than were read', { after: '2-0', added: 2, entries: 2, lastId: '5-0' }, {}, true],
  [
    'newer ones are there, and the place is too',
    { after: '3-0', added: 3, entries: 1, lastId: '4-0' },
    {},
    false,
  ],
  [
    'newer ones are there, and the place is gone',
    { after: '1-0', added: 1, entries: 2, lastId: '4-0' },
    {},
    true,
  ],
  [
    'one behind the place was deleted',
    { after: '3-0', added: undefined, entries: 1, lastId: '4-0' },
    { maxDeletedId: '4-0' },
    true,
  ],
  [
    'the count is not known, and the place is there',
    { after: '3-0', added: undefined, entries: 2, lastId: '5-0' },
    {},
    false,
  ],
  ['it is another stream, by its count', { after: '3-0', added: 7, entries: 1, lastId: '4-0' }, {}, true],
  [
    'it is another stream, by its last id',
    { after: '9-0', added: undefined, entries: 1, lastId: '10-0' },
    {},
    true,
  ],
  [
    'nothing was ever removed from the very beginning on',
    { after: '0-0', added: undefined, entries: 2, lastId: '4-0' },
    { length: 5, firstId: '1-0' },
    false,
  ],
  [
    'something was removed from the very beginning on',
    { after: '0-0', added: undefined, entries: 2, lastId: '4-0' },
    {},
    true,
  ],
])('whether entries may be missing where %s', (_, step, more, mayMiss) => {
  expect(mayHaveMissed(step, { ...STATE, ...more })).toBe(mayMiss);
});
