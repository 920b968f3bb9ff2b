import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { Failure } from '../../src/protocol/errors.js';
import { RedisConnection } from '../../src/redis/connection.js';
import { encodeCommand } from '../../src/redis/resp.js';
import { parseRedisUrl, type RedisTarget, unixTarget } from '../../src/redis/target.js';
import { fakeRedisForTest, politely } from '../support/fake-redis.js';
import { redisForTest } from '../support/for-test.js';
import { freePort } from '../support/free-port.js';
import { startGatewayProcess } from '../support/gateway-process.js';
import type { TestRedis } from '../support/redis-server.js';
import { TestSocket } from '../support/socket.js';

const WAIT = { timeout: 15_000, interval: 5 };
const SECRET = 's3cret:/@%é';

afterEach(() => {
  vi.useRealTimers();
});

/** A connection whose replies are awaited one by one. */
class Client {
  readonly connection: RedisConnection;
  /** Rejects where the connection is closed before it is ready. */
  readonly ready: Promise<void>;
  readonly closed: Promise<Error>;
  closings = 0;
  readonly replies: string[] = [];
  readonly #waiting: ((reply: string) => void)[] = [];

  constructor(target: RedisTarget, onReply?: (client: Client) => void) {
    let isReady: () => void;
    let isClosed: (cause: Error) => void;
    this.closed = new Promise((resolve) => {
      isClosed = resolve;
    });
    this.ready = new Promise((resolve, reject) => {
      isReady = resolve;
      this.closed.then(reject);
    });
    this.ready.catch(() => {});
    this.connection = new RedisConnection(target, 'test', {
      ready: () => isReady(),
      reply: (cursor) => {
        const reply = cursor.text();
        this.replies.push(reply);
        this.#waiting.shift()?.(reply);
        onReply?.(this);
      },
      closed: (cause) => {
        this.closings++;
        isClosed(cause);
      },
    });
    onTestFinished(() => this.connection.destroy());
  }

  async call(...args: (string | number)[]): Promise<string> {
    await this.ready;
    this.connection.write([encodeCommand(args)]);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }
}

describe('connecting', () => {
  test('over a Unix socket', async () => {
    const redis = await redisForTest();
    const client = new Client(parseRedisUrl(redis.url));
    expect(await client.call('ECHO', 'é漢😀')).toBe('é漢😀');
    expect(await client.call('CLIENT', 'GETNAME')).toBe('streamgate-test');
  });

  test.each(['127.0.0.1', 'localhost'])('over TCP to %s', async (host) => {
    const port = await freePort();
    await redisForTest('--port', String(port), '--bind', '127.0.0.1');
    const client = new Client(parseRedisUrl(`redis://${host}:${port}`));
    expect(await client.call('ECHO', 'hello')).toBe('hello');
  });

  test('to a database', async () => {
    const redis = await redisForTest();
    const client = new Client(parseRedisUrl(`${redis.url}?db=3`));
    expect(await client.call('CLIENT', 'INFO')).toContain(' db=3 ');
  });

  test('to a database that is not there', async () => {
    const redis = await redisForTest();
    const client = new Client(parseRedisUrl(`${redis.url}?db=99`));
    expect(await client.closed).toMatchObject({
      code: 'redis_denied',
      message: expect.stringContaining('DB index is out of range'),
    });
  });

  test('to where nobody listens', async () => {
    const nowhere = new Client(unixTarget(join(tmpdir(), 'there-is-no-such-socket')));
    expect(await nowhere.closed).toMatchObject({ code: 'ENOENT' });
    const refused = new Client(parseRedisUrl(`redis://127.0.0.1:${await freePort()}`));
    expect(await refused.closed).toMatchObject({ code: 'ECONNREFUSED' });
    expect([nowhere.closings, refused.closings]).toEqual([1, 1]);
  });

  test('to a server that hangs up', async () => {
    const fake = await fakeRedisForTest((_, { socket }) => {
      socket.end();
      return undefined;
    });
    const client = new Client(fake.target);
    expect((await client.closed).message).toBe('Redis closed the connection');
  });

  test('to what is no Redis', async () => {
    const fake = await fakeRedisForTest(() => 'HTTP/1.1 400 Bad Request\r\n\r\n');
    const client = new Client(fake.target);
    expect((await client.closed).message).toContain('unknown type');
  });

  test('takes five seconds at most', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    let pinged: () => void;
    const ping = new Promise<void>((resolve) => {
      pinged = resolve;
    });
    const fake = await fakeRedisForTest((command, client) => {
      if (command[0] !== 'PING') return politely(command, client);
      pinged();
      return undefined;
    });
    const client = new Client(fake.target);
    await ping;
    vi.advanceTimersByTime(4999);
    expect(client.closings).toBe(0);
    vi.advanceTimersByTime(1);
    expect((await client.closed).message).toBe('Redis did not answer in time');
  });
});

describe('logging in', () => {
  const targetOf = (redis: TestRedis, login: string): RedisTarget => ({
    ...parseRedisUrl(`redis://${login}@localhost`),
    path: redis.path,
  });
  const encoded = encodeURIComponent(SECRET);
  const REFUSED = 'Redis does not accept the user and password of REDIS_URL';

  test('with a password', async () => {
    const redis = await redisForTest();
    await redis.client.config('SET', 'requirepass', SECRET);
    const client = new Client(targetOf(redis, `:${encoded}`));
    expect(await client.call('ECHO', 'hello')).toBe('hello');
  });

  test('as a user', async () => {
    const redis = await redisForTest();
    await redis.client.call('ACL', 'SETUSER', 'gate', 'on', `>${SECRET}`, '~*', '+@all');
    await redis.client.config('SET', 'requirepass', 'another');
    const client = new Client(targetOf(redis, `gate:${encoded}`));
    expect(await client.call('ACL', 'WHOAMI')).toBe('gate');
  });

  test('as a user who may do little more than append', async () => {
    const redis = await redisForTest();
    await redis.client.call('ACL', 'SETUSER', 'gate', 'on', `>${SECRET}`, '~a*', '+xadd', '+ping');
    const client = new Client(targetOf(redis, `gate:${encoded}`));
    expect(await client.call('XADD', 'a', '5-1', 'd', 'x')).toBe('5-1');
    expect(await client.call('XADD', 'b', '5-1', 'd', 'x')).toMatch(/^NOPERM/);
  });

  test.each([
    ['a wrong password', `:wrong${encoded}`, REFUSED],
    ['no password', '', 'Redis requires a password: put it into REDIS_URL'],
    ['a wrong user', `nobody:${encoded}`, REFUSED],
    ['a wrong password of a user', `gate:wrong${encoded}`, REFUSED],
    ['a user who is off', `off:${encoded}`, REFUSED],
  ])('with %s fails and does not tell the password', async (_, login, message) => {
    const redis = await redisForTest();
    await redis.client.call('ACL', 'SETUSER', 'gate', 'on', `>${SECRET}`, '~*', '+@all');
    await redis.client.call('ACL', 'SETUSER', 'off', 'off', `>${SECRET}`, '~*', '+@all');
    await redis.client.config('SET', 'requirepass', SECRET);
    const client = new Client(targetOf(redis, login));
    const cause = await client.closed;
    expect(cause).toBeInstanceOf(Failure);
    expect(cause).toMatchObject({ code: 'redis_denied', message });
    expect(cause.message).not.toContain('s3cret');
    await expect(client.ready).rejects.toBe(cause);
  });

  test('with a password that the server does not ask for', async () => {
    const redis = await redisForTest();
    const client = new Client(targetOf(redis, `:${encoded}`));
    const cause = await client.closed;
    expect(cause).toMatchObject({ code: 'redis_denied' });
    expect(cause.message).not.toContain('s3cret');
  });
});

describe('a server that is not quite ready', () => {
  test.each(['LOADING Redis is loading the dataset in memory', 'BUSY Redis is busy running a script.'])(
    '%s: it is asked until it is',
    async (error) => {
      let asked = 0;
      const fake = await fakeRedisForTest(([name], client) => {
        if (name !== 'PING') return politely([name!], client);
        return ++asked < 3 ? `-${error}\r\n` : '+PONG\r\n';
      });
      const client = new Client(fake.target);
      await client.ready;
      expect(asked).toBe(3);
      expect(await client.call('SET', 'a', 'b')).toBe('OK');
    },
  );

  test('LOADING may take longer than connecting may', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    let asked = 0;
    const fake = await fakeRedisForTest(([name], client) => {
      if (name !== 'PING') return politely([name!], client);
      return ++asked < 20 ? '-LOADING Redis is loading\r\n' : '+PONG\r\n';
    });
    const client = new Client(fake.target);
    // The first answer has come; vitest moves the clock on by a few ms for each look.
    await vi.waitFor(() => expect(asked).toBeGreaterThan(1), WAIT);
    await vi.waitFor(() => {
      vi.advanceTimersByTime(1000);
      expect(asked).toBe(20);
    }, WAIT);
    await client.ready;
    expect(client.closings).toBe(0);
  });

  test.each([
    ['SETNAME', '-ERR unknown command\r\n'],
    ['SETNAME', '-NOPERM this user has no permissions to run the client command\r\n'],
    ['PING', '-MISCONF Redis is configured to save RDB snapshots, but it is currently not able to\r\n'],
    ['PING', '-MASTERDOWN Link with MASTER is down\r\n'],
  ])('%s answered with %j does not matter', async (word, error) => {
    const fake = await fakeRedisForTest((command, client) =>
      command.includes(word) ? error : politely(command, client),
    );
    const client = new Client(fake.target);
    expect(await client.call('SET', 'a', 'b')).toBe('OK');
  });
});

describe('replies', () => {
  test('come in the order of their commands', async () => {
    const redis = await redisForTest();
    const client = new Client(parseRedisUrl(redis.url));
    await client.ready;
    const numbers = Array.from({ length: 1000 }, (_, index) => String(index));
    client.connection.write(numbers.slice(0, 999).map((number) => encodeCommand(['ECHO', number])));
    await client.call('ECHO', '999');
    await vi.waitFor(() => expect(client.replies).toEqual(numbers), WAIT);
  });

  test('cut into bytes', async () => {
    const fake = await fakeRedisForTest((command, client) => {
      for (const letter of command[0] === 'PING' ? '+PONG\r\n' : '$5\r\nhello\r\n')
        client.socket.write(letter);
      return undefined;
    });
    const client = new Client(fake.target);
    expect([await client.call('A'), await client.call('B')]).toEqual(['hello', 'hello']);
  });

  test('that a handler cannot make sense of end the connection', async () => {
    const fake = await fakeRedisForTest((command, client) => {
      return command[0] === 'A' ? '+one\r\n+two\r\n' : politely(command, client);
    });
    const fault = new Error('no sense');
    const client = new Client(fake.target, () => {
      throw fault;
    });
    await client.call('A');
    expect(await client.closed).toBe(fault);
    expect(client.replies).toEqual(['one']);
  });
});

describe('the end', () => {
  test('comes once, and nothing after it', async () => {
    const fake = await fakeRedisForTest((command, client) => {
      return command[0] === 'A' ? '+one\r\n+two\r\n' : politely(command, client);
    });
    const cause = new Error('enough');
    const client = new Client(fake.target, ({ connection }) => connection.destroy(cause));
    await client.call('A');
    expect(await client.closed).toBe(cause);
    client.connection.destroy();
    client.connection.write([encodeCommand(['B'])]);
    client.connection.write([encodeCommand(['C']), encodeCommand(['D'])]);
    expect(client).toMatchObject({ closings: 1, replies: ['one'] });
  });

  test('is told when the server goes', async () => {
    const redis = await redisForTest();
    const client = new Client(parseRedisUrl(redis.url));
    await client.ready;
    redis.process.kill('SIGKILL');
    await client.closed;
    expect(client.closings).toBe(1);
  });

  test('before the connection is made', async () => {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    onTestFinished(() => {
      server.close();
    });
    const { port } = server.address() as { port: number };
    const client = new Client(parseRedisUrl(`redis://127.0.0.1:${port}`));
    client.connection.destroy();
    expect((await client.closed).message).toBe('the connection was closed');
  });
});

describe('TLS', () => {
  let folder: string;
  const file = (name: string) => join(folder, name);
  const openssl = (...args: string[]) => promisify(execFile)('openssl', args, { cwd: folder });

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sg-tls-'));
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
    await openssl('req', '-x509', ...key, '-keyout', 'ca.key', '-out', 'ca.crt', '-subj', '/CN=test ca');
    await openssl('req', ...key, '-keyout', 'redis.key', '-out', 'redis.csr', '-subj', '/CN=redis');
    await writeFile(file('names'), 'subjectAltName=DNS:localhost,IP:127.0.0.1');
    const ca = ['-CA', 'ca.crt', '-CAkey', 'ca.key', '-CAcreateserial'];
    await openssl('x509', '-req', '-in', 'redis.csr', ...ca, '-out', 'redis.crt', '-extfile', 'names');
  });

  afterAll(() => rm(folder, { recursive: true, force: true }));

  async function newTlsRedis(): Promise<{ redis: TestRedis; port: number }> {
    const port = await freePort();
    const redis = await redisForTest(
      ...['--tls-port', String(port), '--bind', '127.0.0.1', '--tls-auth-clients', 'no'],
      ...['--tls-cert-file', file('redis.crt'), '--tls-key-file', file('redis.key')],
      ...['--tls-ca-cert-file', file('ca.crt')],
    );
    return { redis, port };
  }

  async function newGateway(settings: Record<string, string>) {
    const gateway = await startGatewayProcess({ LOG_LEVEL: 'debug', ...settings });
    onTestFinished(async () => {
      await gateway.stop();
    });
    return gateway;
  }

  test.each(['localhost', '127.0.0.1'])(
    'every connection of a gateway that trusts the CA, to %s',
    async (host) => {
      const { redis, port } = await newTlsRedis();
      await redis.client.config('SET', 'requirepass', SECRET);
      const gateway = await newGateway({
        REDIS_URL: `rediss://:${encodeURIComponent(SECRET)}@${host}:${port}/2`,
        NODE_EXTRA_CA_CERTS: file('ca.crt'),
      });
      let errors = '';
      gateway.process.stderr?.on('data', (chunk) => {
        errors += chunk;
      });
      await vi.waitFor(async () => expect((await fetch(`${gateway.http}/readyz`)).status).toBe(200), WAIT);
      const follower = await TestSocket.open(`${gateway.ws}/data/s/pull`);
      const producer = await TestSocket.open(`${gateway.ws}/data/s/push?ack=1`);
      const payload = Buffer.alloc(300_000, 'x');
      const [id] = await producer.push([], payload);
      expect(await follower.receiveJson()).toEqual([['s', id, 0]]);
      expect(((await follower.receive()) as Buffer).equals(payload)).toBe(true);
      const read = await fetch(`${gateway.http}/data/s?last_entry_id=0`);
      expect((await read.arrayBuffer()).byteLength).toBe(300_000);
      const clients = String(await redis.client.client('LIST'));
      const names = ['append', 'reader', 'pool', 'control'].map((role) => `streamgate-${role}`);
      expect(names.filter((name) => !clients.includes(`name=${name}`))).toEqual([]);
      expect(gateway.log.map((record) => JSON.stringify(record)).join()).not.toContain('s3cret');
      expect(errors).toBe('');
    },
  );

  test('a gateway that does not trust the CA says so, and does not connect', async () => {
    const { port } = await newTlsRedis();
    const gateway = await newGateway({ REDIS_URL: `rediss://localhost:${port}` });
    await vi.waitFor(() => {
      expect(gateway.log).toContainEqual(
        expect.objectContaining({
          msg: 'the append pipe cannot connect to Redis',
          err: expect.stringMatching(/certificate/),
        }),
      );
    }, WAIT);
    expect((await fetch(`${gateway.http}/readyz`)).status).toBe(503);
  });
});
