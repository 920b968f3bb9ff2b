import { describe, expect, test } from 'vitest';
import {
  type PullParameters,
  parseMinReplicas,
  parsePullParameters,
  parsePushParameters,
  parseSelection,
  Query,
  type StreamSelection,
} from '../../src/protocol/parameters.js';

const TRANSPORTS = ['rest', 'websocket'] as const;
type Transport = (typeof TRANSPORTS)[number];

const select = (sids: string, query = ''): StreamSelection => parseSelection(sids, new Query(query));

function pull(query: string, sids = 's', transport: Transport = 'websocket'): PullParameters {
  return parsePullParameters(new Query(query), select(sids), transport);
}

const MS_7 = '7-18446744073709551615';

const push = (query: string, sids = 's') => parsePushParameters(new Query(query), select(sids));

const refusal = (...words: string[]) =>
  expect.objectContaining({
    code: 'bad_parameter',
    message: expect.stringMatching(
      new RegExp(words.map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('.*'), 's'),
    ),
  });

describe('defaults', () => {
  const common = {
    cursors: ['$'],
    resumes: [true],
    until: undefined,
    speed: 0,
    gaps: false,
    latest: false,
    count: 1,
    header: 'json',
    offsets: 'start',
    ack: false,
    maxFps: 0,
    keepDevicePrefix: false,
  };

  test('of a pull over REST', () => {
    expect(pull('', 's', 'rest')).toEqual({ ...common, block: 500 });
  });

  test('of a pull over a WebSocket', () => {
    expect(pull('')).toEqual({ ...common, block: 5000 });
  });

  test('of a push', () => {
    expect(push('')).toEqual({ header: 'json', ack: false, minReplicas: 0 });
  });

  test('of the selection', () => {
    expect(select('s')).toEqual({ device: 'default', prefix: '', sids: ['s'] });
  });
});

test.each([
  ['latest=1', { latest: true }],
  ['latest=True', { latest: true }],
  ['latest=OFF', { latest: false }],
  ['latest=yes&ack=on', { latest: true, ack: true }],
  ['count=1', { count: 1 }],
  ['count=1000000', { count: 1_000_000 }],
  ['block=-1', { block: -1 }],
  ['block=0', { block: 0 }],
  ['block=999999999', { block: 999_999_999 }],
  ['max_fps=0', { maxFps: 0 }],
  ['max_fps=29.97', { maxFps: 29.97 }],
  ['max_fps=1000000', { maxFps: 1_000_000 }],
  ['speed=0', { speed: 0 }],
  ['speed=0.25', { speed: 0.25 }],
  ['speed=1000000', { speed: 1_000_000 }],
  ['gaps=1', { gaps: true }],
  ['gaps=False', { gaps: false }],
  ['from=5', { cursors: ['4-18446744073709551615'], resumes: [false], until: undefined }],
  ['from=5-3', { cursors: ['5-2'], resumes: [false] }],
  ['from=0', { cursors: ['0-0'], resumes: [false] }],
  ['from=1970-01-01T00:00:00.006Z&until=7', { cursors: ['5-18446744073709551615'], until: MS_7 }],
  ['until=1970-01-01T02:00:00.007+02:00', { cursors: ['$'], until: MS_7 }],
  ['until=7-2&last_entry_id=3-1', { cursors: ['3-1'], resumes: [true], until: '7-2' }],
  ['last_entry_id=3', { cursors: ['3-0'], resumes: [false] }],
  ['last_entry_id=0-0', { cursors: ['0-0'], resumes: [true] }],
  ['last_entry_id=-', { cursors: ['0-0'], resumes: [false] }],
  ['last_entry_id=$', { cursors: ['$'], resumes: [true] }],
  // The end of a millisecond is a time that somebody asks for, not an entry that a client has had.
  [`last_entry_id=${MS_7}`, { cursors: [MS_7], resumes: [false] }],
  ['offsets=start', { offsets: 'start' }],
  ['offsets=end', { offsets: 'end' }],
  ['keep_device_id_in_stream_id=true', { keepDevicePrefix: true }],
  ['header=1', { header: 'json' }],
  ['header=json', { header: 'json' }],
  ['header=True', { header: 'json' }],
  ['header=0', { header: 'raw' }],
  ['header=raw', { header: 'raw' }],
  ['header=no', { header: 'raw' }],
  ['header=msgpack', { header: 'msgpack' }],
  ['header=MsgPack', { header: 'msgpack' }],
  ['unknown=x&LATEST=1', { latest: false }],
  ['', {}],
  ['&&', {}],
] as const)('a pull takes %s', (query, expected) => {
  for (const transport of TRANSPORTS) expect(pull(query, 's', transport)).toMatchObject(expected);
});

test.each([
  ['header=0', { header: 'raw', ack: false }],
  ['header=msgpack&ack=1', { header: 'msgpack', ack: true }],
  ['ack=No', { header: 'json', ack: false }],
  // What a follower may ask for is no business of a producer's.
  ['count=none&last_entry_id=x', { header: 'json', ack: false }],
] as const)('a push takes %s', (query, expected) => {
  expect(push(query)).toEqual({ minReplicas: 0, ...expected });
});

const BAD_BOOLEANS = ['', '2', 'y', 'truee', '1.0', ' 1', 'null'];
const BAD_WHOLE_NUMBERS = ['', 'x', '1.0', '1e3', '+1', ' 1', '0x1', '１', '9'.repeat(16), 'NaN', 'Infinity'];

describe('every refusal names its parameter', () => {
  test.each([
    ...['latest', 'ack', 'gaps', 'keep_device_id_in_stream_id'].flatMap((name) =>
      BAD_BOOLEANS.map((value) => [name, value] as const),
    ),
    ...['count', 'block'].flatMap((name) => BAD_WHOLE_NUMBERS.map((value) => [name, value] as const)),
    ...['', '-1', 'x', '1e3', '.5', '5.', '1,5', '1000001', '1000000.1', 'Infinity'].map(
      (value) => ['max_fps', value] as const,
    ),
    ...['', '-1', 'x', '1e3', '1x', '1000001'].map((value) => ['speed', value] as const),
    ...['', 'x', '$', '-', '-1', 'now', '2024-02-30', '1969-12-31', '1-1-1', '1e3'].flatMap((value) => [
      ['from', value] as const,
      ['until', value] as const,
    ]),
    ...['0', '-1', '1000001'].map((value) => ['count', value] as const),
    ...['-2', '1000000000'].map((value) => ['block', value] as const),
    ...['', '2', 'text', 'jsonn', 'MSGPACK2'].map((value) => ['header', value] as const),
    ...['', 'START', 'both', '0'].map((value) => ['offsets', value] as const),
    ...['', 'x', '1-', '-1', '1-x', '$$', '>', '*', '99999999999999999999', '1-1-1'].map(
      (value) => ['last_entry_id', value] as const,
    ),
  ])('%s=%s', (name, value) => {
    const query = `${name}=${encodeURIComponent(value)}`;
    for (const transport of TRANSPORTS) expect(() => pull(query, 's', transport)).toThrow(refusal(name));
    if (name === 'ack' || name === 'header') expect(() => push(query)).toThrow(refusal(name));
  });

  test('and what was given, cut where it is long', () => {
    expect(() => pull('count=many')).toThrow(refusal('count', 'from 1 to 1000000', "'many'"));
    expect(() => pull(`count=${'9'.repeat(10_000)}`)).toThrow(refusal('count', `'${'9'.repeat(64)}…'`));
    expect(() => pull(`count=${'9'.repeat(64)}`)).toThrow(refusal('count', `'${'9'.repeat(64)}'`));
  });

  test('a range that ends before it begins, or begins twice', () => {
    expect(() => pull('from=5&until=4')).toThrow(refusal('until', 'from'));
    expect(() => pull('from=5-2&until=5-1')).toThrow(refusal('until', 'from'));
    expect(pull('from=5&until=5')).toMatchObject({ until: '5-18446744073709551615' });
    expect(pull('from=5-3&until=5-3')).toMatchObject({ cursors: ['5-2'], until: '5-3' });
    for (const id of ['0', '$', '3-1']) {
      expect(() => pull(`from=5&last_entry_id=${id}`)).toThrow(refusal('from', 'last_entry_id'));
    }
  });

  test('a parameter that is given twice', () => {
    expect(() => new Query('count=1&count=1')).toThrow(refusal('count', 'more than once'));
    expect(() => new Query('c%6Funt=1&count=2')).toThrow(refusal('count', 'more than once'));
  });

  test('a value that is not percent-encoded UTF-8', () => {
    expect(() => new Query('prefix=%')).toThrow(refusal('prefix', 'percent-encoded'));
    expect(() => new Query('prefix=%ff')).toThrow(refusal('prefix', 'percent-encoded'));
    expect(() => new Query('%zz=1')).toThrow(refusal('parameter name', 'percent-encoded'));
    expect(() => select('%E9')).toThrow(refusal('stream id', 'percent-encoded'));
  });
});

test('a query is decoded once, with + for a space', () => {
  const query = new Query('prefix=a+b%2Bc%2520&empty=&bare&__proto__=x&eq=a=b&caf%C3%A9=%E6%BC%A2');
  expect(query.text('prefix')).toBe('a b+c%20');
  expect(query.text('empty')).toBe('');
  expect(query.text('bare')).toBe('');
  expect(query.text('__proto__')).toBe('x');
  expect(query.text('eq')).toBe('a=b');
  expect(query.text('café')).toBe('漢');
  expect(query.text('constructor')).toBeUndefined();
});

test('a client that comes back goes on after what it has, with all else that it asked for', () => {
  const first = new Query('prefix=p&from=5&until=9&gaps=1');
  const resumed = first.resumedAfter('7-1');
  expect(parsePullParameters(resumed, select('s'), 'rest')).toMatchObject({
    cursors: ['7-1'],
    until: '9-18446744073709551615',
    gaps: true,
  });
  expect(resumed.text('prefix')).toBe('p');
  expect(resumed.resumedAfter('8-0').text('last_entry_id')).toBe('8-0');
  // The first is as it was.
  expect(first.text('from')).toBe('5');
  expect(first.text('last_entry_id')).toBeUndefined();
});

describe('last_entry_id', () => {
  test.each([
    ['$', ['$']],
    ['-', ['0-0']],
    ['0', ['0-0']],
    ['5', ['5-0']],
    ['05-007', ['5-7']],
  ])('%s', (value, cursors) => {
    expect(pull(`last_entry_id=${value}`).cursors).toEqual(cursors);
  });

  test('one for all', () => {
    expect(pull('last_entry_id=5', 'a+b+c').cursors).toEqual(['5-0', '5-0', '5-0']);
    expect(pull('', 'a+b').cursors).toEqual(['$', '$']);
  });

  // A literal '+' in a query stands for a space; all three must come to the same.
  test.each(['+', ' ', '%2B', '%20'])('one each, joined by %j', (separator) => {
    const query = `last_entry_id=${['5-1', '$', '-'].join(separator)}`;
    for (const transport of TRANSPORTS) {
      expect(pull(query, 'a+b+c', transport).cursors).toEqual(['5-1', '$', '0-0']);
    }
  });

  test.each([
    ['1+2', 'a', 'must have one id, not 2'],
    ['1+2+3', 'a+b', 'must have one id, or one for each of 2 streams, not 3'],
    ['1+2', 'a+b+c', 'must have one id, or one for each of 3 streams, not 2'],
  ])('%s for %s', (value, sids, message) => {
    expect(() => pull(`last_entry_id=${value}`, sids)).toThrow(refusal('last_entry_id', message));
  });

  test.each(['1++2', '+1', '1+', '+'])('an empty one among them: %s', (value) => {
    expect(() => pull(`last_entry_id=${value}`, 'a+b')).toThrow(refusal('last_entry_id'));
  });
});

describe('the selection', () => {
  test('one stream, several, and one named by each entry', () => {
    expect(select('a').sids).toEqual(['a']);
    expect(select('a+b+c').sids).toEqual(['a', 'b', 'c']);
    expect(select('*').sids).toEqual(['*']);
  });

  test('is decoded once, after it is split', () => {
    expect(select('a%2Fb+caf%C3%A9%2520').sids).toEqual(['a/b', 'café%20']);
    expect(() => select('a%2Bb')).toThrow(expect.objectContaining({ code: 'bad_name' }));
  });

  test('device and prefix', () => {
    expect(select('s', 'device_id=cam%201&prefix=p:')).toEqual({
      device: 'cam 1',
      prefix: 'p:',
      sids: ['s'],
    });
    expect(select('s', 'prefix=').prefix).toBe('');
  });

  test.each([
    ['', '', 'stream id'],
    ['a+', '', 'stream id'],
    ['+', '', 'stream id'],
    ['a%00', '', 'stream id'],
    ['x'.repeat(513), '', 'stream id'],
    ['a+b+a', '', 'stream id'],
    ['s', 'device_id=', 'device id'],
    ['s', 'device_id=a:b', 'device id'],
    ['s', 'device_id=a%2Bb', 'device id'],
    ['s', 'prefix=%0a', 'prefix'],
    ['s', 'prefix=a%2Bb', 'prefix'],
  ])('refuses %s ? %s', (sids, query, what) => {
    expect(() => select(sids, query)).toThrow(
      expect.objectContaining({ code: 'bad_name', message: expect.stringContaining(what) }),
    );
  });

  test('says which stream is named twice', () => {
    expect(() => select('a+b+c+b')).toThrow("'b'");
  });

  test('has a limit', () => {
    const sids = (count: number) => Array.from({ length: count }, (_, index) => `s${index}`).join('+');
    expect(select(sids(1024)).sids).toHaveLength(1024);
    expect(() => select(sids(1025))).toThrow(refusal('1025 streams', '1024'));
  });
});

describe('header=0', () => {
  test('pulls one stream, an entry a frame', () => {
    expect(() => pull('header=0', 'a+b')).toThrow(refusal('header=0', 'one stream'));
    expect(() => pull('header=0&count=2')).toThrow(refusal('count', 'header=0'));
    expect(pull('header=0&count=1')).toMatchObject({ header: 'raw', count: 1 });
  });

  test('means nothing to REST, whose answers have a header anyway', () => {
    expect(pull('header=0&count=2', 'a+b', 'rest')).toMatchObject({ header: 'raw', count: 2 });
  });

  test('pushes to one stream', () => {
    expect(push('header=0')).toMatchObject({ header: 'raw', ack: false });
    expect(() => push('header=0', 'a+b')).toThrow(refusal('header=0', 'one stream'));
    expect(() => push('header=0', '*')).toThrow(refusal('header=0', 'one stream'));
  });

  test('is the only framing that does', () => {
    for (const header of ['json', 'msgpack'])
      for (const sids of ['a+b', '*']) expect(push(`header=${header}`, sids)).toMatchObject({ header });
  });
});

describe('min_replicas', () => {
  test.each([0, 1, 9])('may be %i', (replicas) => {
    expect(push(`ack=1&min_replicas=${replicas}`)).toMatchObject({ ack: true, minReplicas: replicas });
    expect(parseMinReplicas(new Query(`min_replicas=${replicas}`))).toBe(replicas);
  });

  test.each(['-1', '10', '1.5', 'all', ''])('may not be %s', (value) => {
    expect(() => push(`ack=1&min_replicas=${value}`)).toThrow(refusal('min_replicas', '0 to 9', value));
  });

  test('needs acks, which tell of them', () => {
    expect(push('min_replicas=0')).toMatchObject({ ack: false, minReplicas: 0 });
    expect(() => push('min_replicas=1')).toThrow(refusal('min_replicas', 'ack=1'));
  });
});
