/** Parameters over HTTP: what is refused before anything is read, and what is taken. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type GatewayProcess, startGatewayProcess } from '../../../support/gateway-process.js';
import { postEntries, readEntries, refused } from '../../../support/http.js';

let gateway: GatewayProcess;

beforeAll(async () => {
  gateway = await startGatewayProcess();
  await postEntries(`${gateway.http}/data/one`, 'first');
  await postEntries(`${gateway.http}/data/one`, 'second');
});

afterAll(() => gateway?.stop());

const address = (path: string) => `${gateway.http}/data/${path}`;

describe('a wrong form is refused with the name of the parameter', () => {
  const wrong: Record<string, readonly string[]> = {
    last_entry_id: [
      '',
      'abc',
      '1-',
      '-1',
      '1-2-3',
      '1.5',
      '0x10',
      '$$',
      '1-$',
      '1-*',
      '18446744073709551616',
      '0-18446744073709551616',
      '1,2',
      '1+2',
      '%2B',
      '1%002',
    ],
    latest: ['', '2', '-1', 'maybe', 'truee', '1.0', 'none', '%20'],
    count: ['', '0', '-1', '1.5', '1e3', 'ten', '1000001', '99999999999999999999', '0x1', '%201'],
    block: ['', '-2', '1.5', 'abc', '1e3', '5s', '99999999999999', 'inf'],
    header: ['', '2', '-1', 'xml', 'json5'],
    offsets: ['', 'middle', 'START', 'Start', '0', 'start,end'],
    ack: ['', '2', 'maybe'],
    max_fps: ['', '-1', 'fast', '1e3', 'Infinity', 'NaN', '1.', '.5', '1000001'],
    keep_device_id_in_stream_id: ['', '2', 'maybe'],
  };

  test.each(Object.entries(wrong).flatMap(([name, values]) => values.map((value) => [name, value] as const)))(
    '%s=%s',
    async (name, value) => {
      const answer = await refused(await fetch(address(`one?${name}=${value}`)));
      expect(answer).toMatchObject({ status: 400, code: 'bad_parameter' });
      expect(answer.error).toContain(name);
    },
  );

  test.each(Object.keys(wrong))('%s without a value', async (name) => {
    const answer = await refused(await fetch(address(`one?${name}`)));
    expect(answer).toMatchObject({ status: 400, code: 'bad_parameter' });
    expect(answer.error).toContain(name);
  });

  test.each(['0+0+0', '0+x', '0+', '0%2B0%2B0'])('last_entry_id=%s for two streams', async (cursors) => {
    const answer = await refused(await fetch(address(`one+two?last_entry_id=${cursors}`)));
    expect(answer).toMatchObject({ status: 400, code: 'bad_parameter' });
    expect(answer.error).toContain('last_entry_id');
  });

  test('a long value is not repeated whole', async () => {
    const { error } = await refused(await fetch(address(`one?count=${'9'.repeat(2000)}`)));
    expect(error.length).toBeLessThan(200);
  });

  test('a value is not taken for markup or JSON', async () => {
    const response = await fetch(address('one?offsets=%22%3Cscript%3E%5C'));
    expect((await refused(response)).error).toContain('"<script>\\');
    expect(response.headers.get('x-content-type-options')).toBe('nosniff');
  });
});

test.each([
  'count=1&count=1',
  'last_entry_id=0&last_entry_id=0',
  'device_id=a&device_id=b',
  'unknown=1&unknown=2',
  'count=1&c%6Funt=2',
])('%s gives a parameter twice', async (query) => {
  const answer = await refused(await fetch(address(`one?${query}`)));
  expect(answer).toMatchObject({ status: 400, code: 'bad_parameter' });
  expect(answer.error).toContain('more than once');
});

test.each(['unknown=1', 'Count=0', 'COUNT=abc', '&&', '=', '=x', '%20=1', 'block=-1&x[]=1'])(
  '%s is ignored where it is not known',
  async (query) => {
    const { entries } = await readEntries(address(`one?last_entry_id=0&${query}`));
    expect(entries.map(([, , payload]) => payload)).toEqual(['first']);
  },
);

test.each([
  ...['1', 'true', 'True', 'TRUE', 'yes', 'Yes', 'on', 'ON'].map((word) => [word, 'second'] as const),
  ...['0', 'false', 'False', 'no', 'NO', 'off', 'Off'].map((word) => [word, 'first'] as const),
])('latest=%s reads the %s', async (word, payload) => {
  const { entries } = await readEntries(address(`one?last_entry_id=0&latest=${word}`));
  expect(entries.map((entry) => entry[2])).toEqual([payload]);
});

test.each(['1', 'json', 'JSON', '0', 'raw', 'msgpack', 'true', 'off'])(
  'header=%s changes nothing',
  async (header) => {
    const { entries } = await readEntries(address(`one?last_entry_id=0&header=${header}&ack=1&max_fps=0.5`));
    expect(entries.map((entry) => entry[2])).toEqual(['first']);
  },
);

describe('percent-encoding', () => {
  test.each([
    ['%', 'bad_parameter'],
    ['a%', 'bad_parameter'],
    ['a%2', 'bad_parameter'],
    ['a%zz', 'bad_parameter'],
    ['%FF', 'bad_parameter'],
    ['%C3', 'bad_parameter'],
    ['%ED%A0%80', 'bad_parameter'],
    ['a%00', 'bad_name'],
    ['a%0A', 'bad_name'],
    ['a%7F', 'bad_name'],
    ['%C2%80', 'bad_name'],
    ['a%2Bb', 'bad_name'],
    ['a+', 'bad_name'],
    ['+a', 'bad_name'],
    ['a++b', 'bad_name'],
    ['a+a', 'bad_name'],
    ['a+%61', 'bad_name'],
    ['%C3%A9'.repeat(257), 'bad_name'],
  ])('of the stream id: %s', async (sid, code) => {
    expect(await refused(await fetch(address(`${sid}?block=-1`)))).toMatchObject({ status: 400, code });
  });

  test.each([
    ['device_id=%', 'device_id'],
    ['prefix=%zz', 'prefix'],
    ['last_entry_id=%FF', 'last_entry_id'],
    ['unknown=%C3', 'unknown'],
    ['%zz=1', 'parameter name'],
  ])('of the query: %s', async (query, name) => {
    const answer = await refused(await fetch(address(`one?${query}`)));
    expect(answer).toMatchObject({ status: 400, code: 'bad_parameter' });
    expect(answer.error).toContain(name);
  });

  test.each([
    'device_id=',
    'device_id=a:b',
    'device_id=a%2Bb',
    'device_id=%00',
    `device_id=${'x'.repeat(513)}`,
    'prefix=a%2Bb',
    'prefix=%0D',
    `prefix=${'x'.repeat(513)}`,
  ])('and names: %s', async (query) => {
    expect(await refused(await fetch(address(`one?${query}`)))).toMatchObject({
      status: 400,
      code: 'bad_name',
    });
  });

  test.each(['%6F%6E%65', 'on%65', 'one/'])('%s is the stream one', async (sid) => {
    const { entries } = await readEntries(address(`${sid}?last_entry_id=0`));
    expect(entries).toEqual([['one', expect.any(String), 'first']]);
  });
});

test('more streams than may be named at once', async () => {
  const sids = Array.from({ length: 1025 }, (_, index) => index.toString(36)).join('+');
  expect(await refused(await fetch(address(`${sids}?block=-1`)))).toMatchObject({
    status: 400,
    code: 'bad_parameter',
  });
  const some = sids.split('+').slice(0, 128).join('+');
  const { lastEntryId } = await readEntries(address(`${some}?block=-1`));
  expect(lastEntryId.split('+')).toHaveLength(128);
});
