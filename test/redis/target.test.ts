import { describe, expect, test } from 'vitest';
import { ConfigError } from '../../src/config/start-error.js';
import { describeTarget, parseRedisUrl, unixTarget } from '../../src/redis/target.js';

const TCP = {
  host: 'localhost',
  port: 6379,
  path: undefined,
  tls: false,
  username: undefined,
  password: undefined,
  database: 0,
};
const UNIX = { ...TCP, host: '', port: 0 };

const GROUP = {
  master: 'main',
  addresses: [{ host: 'one', port: 26379 }],
  username: undefined,
  password: undefined,
};
const SENTINEL = { ...UNIX, sentinel: GROUP };

describe('parseRedisUrl', () => {
  test.each([
    ['redis://localhost', TCP],
    ['redis://localhost/', TCP],
    ['redis:///3', { ...TCP, database: 3 }],
    ['redis://localhost:6380', { ...TCP, port: 6380 }],
    ['redis://10.0.0.1/3', { ...TCP, host: '10.0.0.1', database: 3 }],
    ['redis://[::1]:6380/15', { ...TCP, host: '::1', port: 6380, database: 15 }],
    ['redis://redis.example.org', { ...TCP, host: 'redis.example.org' }],
    ['redis://:secret@localhost', { ...TCP, password: 'secret' }],
    ['redis://user:secret@localhost', { ...TCP, username: 'user', password: 'secret' }],
    ['redis://user@localhost', { ...TCP, username: 'user' }],
    ['redis://us%40er:p%3A%2F%25%C3%A9@localhost', { ...TCP, username: 'us@er', password: 'p:/%é' }],
    ['rediss://localhost', { ...TCP, tls: true }],
    [
      'rediss://user:secret@db.example.org:6390/1',
      {
        ...TCP,
        tls: true,
        host: 'db.example.org',
        port: 6390,
        username: 'user',
        password: 'secret',
        database: 1,
      },
    ],
    ['unix:///run/redis.sock', { ...UNIX, path: '/run/redis.sock' }],
    ['unix:///run/a%20b.sock?db=7', { ...UNIX, path: '/run/a b.sock', database: 7 }],
    ['unix:///run/redis.sock?db=', { ...UNIX, path: '/run/redis.sock' }],
    ['redis+sentinel://one/main', SENTINEL],
    ['redis+sentinel://one:26379/main/', SENTINEL],
    ['rediss+sentinel://one/main/4', { ...SENTINEL, tls: true, database: 4 }],
    [
      'redis+sentinel://us%40er:p%3A%2F@one:1,10.0.0.1,[::1]:3/m%20n/2?sentinel_username=u&sentinel_password=p%26q',
      {
        ...SENTINEL,
        username: 'us@er',
        password: 'p:/',
        database: 2,
        sentinel: {
          master: 'm n',
          addresses: [
            { host: 'one', port: 1 },
            { host: '10.0.0.1', port: 26379 },
            { host: '::1', port: 3 },
          ],
          username: 'u',
          password: 'p&q',
        },
      },
    ],
  ])('%s', (url, target) => {
    expect(parseRedisUrl(url)).toEqual(target);
  });

  test.each([
    ['redis://user:secret@host:99999', 'not a valid address'],
    ['redis://user:secret@host:port', 'not a valid address'],
    ['redis://:secret@[::1', 'not a valid address'],
    ['redis://:secret@host/name', 'the database'],
    [
      'redis://one:1,two',
      "one host, not 'one:1,two': name the master alone, its Sentinels as redis+sentinel:",
    ],
    ['rediss://user:secret@one,[::1]:2,10.0.0.1/3?x=1', "one host, not 'one,[::1]:2,10.0.0.1': "],
    ['redis://:secret,secret', 'not a valid address'],
    ['redis://:a,secret/@host', 'not a valid address'],
    ['redis://:secret@host/-1', 'the database'],
    ['redis://:secret@host/0/1', 'the database'],
    ['redis://:secret@host/123456', 'the database'],
    ['unix:///run/s?db=secret', 'the database'],
    ['redis+sentinel://:secret@one', 'their master'],
    ['redis+sentinel://:secret@one/', 'their master'],
    ['redis+sentinel://:secret@one:port/main', 'each Sentinel'],
    ['redis+sentinel://:secret@one:65536/main', 'each Sentinel'],
    ['redis+sentinel://:secret@one,/main', 'each Sentinel'],
    ['redis+sentinel://:secret@one/main/secret', 'the database'],
    ['redis+sentinel://:secret%zz@one/main', "'%'"],
    ['redis://:secret%@host', "'%'"],
    ['redis://secret%zz@host', "'%'"],
    ['redis://:secret%ff@host', "'%'"],
    ['unix:///run/secret%zz', "'%'"],
  ])('refuses %s in one sentence without a secret', (url, fault) => {
    expect(() => parseRedisUrl(url)).toThrow(ConfigError);
    expect(() => parseRedisUrl(url)).toThrow(/^REDIS_URL [^\n]*\.$/);
    expect(() => parseRedisUrl(url)).toThrow(fault);
    expect(() => parseRedisUrl(url)).not.toThrow('secret');
  });
});

test.each([
  ['redis://user:secret@localhost/3', 'redis://localhost:6379/3'],
  ['rediss://:secret@db.example.org:6390', 'rediss://db.example.org:6390/0'],
  ['unix:///run/redis.sock?db=1', '/run/redis.sock'],
  [
    'rediss+sentinel://user:secret@one,two:1/main/3?sentinel_password=secret',
    'rediss+sentinel://one:26379,two:1/main/3',
  ],
])('%s is described as %s', (url, description) => {
  expect(describeTarget(parseRedisUrl(url))).toBe(description);
});

test('unixTarget is what its address means', () => {
  expect(unixTarget('/run/redis.sock')).toEqual(parseRedisUrl('unix:///run/redis.sock'));
});
