import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { lastIdOf } from '../../src/protocol/entry-id.js';
import { parseMoment } from '../../src/protocol/moment.js';

const at = (ms: number) => ({ first: `${ms}-0`, last: lastIdOf(ms) });

describe('a moment', () => {
  test.each([
    ['0', 0],
    ['1714979289123', 1_714_979_289_123],
    ['007', 7],
    ['1970-01-01', 0],
    ['2024-05-06', Date.UTC(2024, 4, 6)],
    ['2024-02-29', Date.UTC(2024, 1, 29)],
    ['2024-05-06T07:08', Date.UTC(2024, 4, 6, 7, 8)],
    ['2024-05-06T07:08:09', Date.UTC(2024, 4, 6, 7, 8, 9)],
    ['2024-05-06 07:08:09Z', Date.UTC(2024, 4, 6, 7, 8, 9)],
    ['2024-05-06t07:08:09.5z', Date.UTC(2024, 4, 6, 7, 8, 9, 500)],
    ['2024-05-06T07:08:09,123456789Z', Date.UTC(2024, 4, 6, 7, 8, 9, 123)],
    ['2024-05-06T07:08:09.123+02:00', Date.UTC(2024, 4, 6, 5, 8, 9, 123)],
    // As a query brings it that was not encoded.
    ['2024-05-06T07:08:09 02:00', Date.UTC(2024, 4, 6, 5, 8, 9)],
    ['2024-05-06T07:08:09+0530', Date.UTC(2024, 4, 6, 1, 38, 9)],
    ['2024-05-06T07:08:09-05', Date.UTC(2024, 4, 6, 12, 8, 9)],
    ['2024-05-06T24:00Z', Date.UTC(2024, 4, 7)],
  ])('is %s', (text, ms) => {
    expect(parseMoment(text)).toEqual(at(ms));
  });

  test('is an entry, by its id', () => {
    expect(parseMoment('5-3')).toEqual({ first: '5-3', last: '5-3' });
    expect(parseMoment('2024-05')).toEqual({ first: '2024-5', last: '2024-5' });
  });

  test.each([
    '',
    'now',
    '-1',
    '1.5',
    '2024-5-6',
    '2024-13-01',
    '2023-02-29',
    '2024-04-31',
    '2024-05-06T25:00',
    '2024-05-06T07',
    '2024-05-06T07:08:09+',
    '2024-05-06T07:08:09+25:00',
    '1969-12-31T23:59:59Z',
    '2024-05-06Z',
    '+002024-05-06T00:00Z',
    '99999999999999999999',
  ])('is not %j', (text) => {
    expect(parseMoment(text)).toBeUndefined();
  });

  test('is every date as JavaScript writes it', () => {
    const dates = fc.date({
      min: new Date(0),
      max: new Date('9999-12-31T23:59:59.999Z'),
      noInvalidDate: true,
    });
    fc.assert(
      fc.property(dates, (date) => {
        expect(parseMoment(date.toISOString())).toEqual(at(date.getTime()));
      }),
    );
  });
});
