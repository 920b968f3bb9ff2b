import { describe, expect, test } from 'vitest';
import {
  buildAddress,
  buildDataAddress,
  buildSocketAddress,
  encodeStreamIds,
  parseBase,
} from '../../src/client/address.js';

const url = 'http://localhost:8000';

describe('encodeStreamIds', () => {
  test.each([
    [['counter'], 'counter'],
    [['a', 'b'], 'a+b'],
    [['*'], '*'],
    [['a/b c', ':event:device.meta'], 'a%2Fb%20c+%3Aevent%3Adevice.meta'],
    [['caméra?#%'], 'cam%C3%A9ra%3F%23%25'],
    [['..', 'a'], '..+a'],
  ])('%j becomes %s', (sids, segment) => {
    expect(encodeStreamIds(sids)).toBe(segment);
  });

  test.each([[[]], [['']], [['.']], [['..']], [['a', '']], [['\ud800']]])('refuses %j', (sids) => {
    expect(() => encodeStreamIds(sids)).toThrow(/stream/);
  });
});

describe('addresses', () => {
  test('REST', () => {
    const address = buildDataAddress({ url, device: 'cam 1', prefix: 'p:' }, ['a', 'b']);
    expect(address.href).toBe('http://localhost:8000/data/a+b?device_id=cam+1&prefix=p%3A');
  });

  test.each([
    ['http://localhost:8000', 'ws://localhost:8000/data/s/pull'],
    ['http://localhost:8000/', 'ws://localhost:8000/data/s/pull'],
    ['https://example.org/gate/', 'wss://example.org/gate/data/s/pull'],
    ['ws://localhost:8000', 'ws://localhost:8000/data/s/pull'],
    ['wss://[::1]:8000', 'wss://[::1]:8000/data/s/pull'],
  ])('WebSocket below %s', (base, expected) => {
    expect(buildSocketAddress({ url: base }, ['s'], 'pull').href).toBe(expected);
  });

  test('a path below a WebSocket base is asked for by HTTP', () => {
    expect(buildAddress('wss://example.org/gate', 'graphql').href).toBe('https://example.org/gate/graphql');
  });

  test('booleans are 1 and 0, and what is unset is left out', () => {
    const { searchParams } = buildSocketAddress({ url }, ['s'], 'push', {
      header: false,
      ack: true,
      block: 0,
      max_fps: undefined,
    });
    expect([...searchParams]).toEqual([
      ['header', '0'],
      ['ack', '1'],
      ['block', '0'],
    ]);
  });

  test('cursors of several streams keep their +', () => {
    const address = buildDataAddress({ url }, ['a', 'b'], { last_entry_id: '1-0+2-0', latest: true });
    expect(address.search).toBe('?last_entry_id=1-0%2B2-0&latest=1');
  });

  test.each(['', 'localhost:8000', 'ftp://localhost', '/data', 'http://user:pass@localhost'])(
    "refuses '%s' as a gateway's address",
    (base) => {
      expect(() => parseBase(base)).toThrow("the gateway's address must be");
    },
  );
});
