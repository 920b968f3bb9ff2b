/** What the log says of clients, and what it never says. */
import { once } from 'node:events';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { freePort } from '../support/free-port.js';
import { type GatewayProcess, startGatewayProcess } from '../support/gateway-process.js';
import { GraphqlSocket } from '../support/graphql-socket.js';
import { startRedis, type TestRedis } from '../support/redis-server.js';
import { TestSocket } from '../support/socket.js';

const SOON = { timeout: 10_000, interval: 20 };
const PASSWORD = 'a-secret-password';
const PAYLOAD = 'the-payload-of-an-entry';

let redis: TestRedis;
let gateway: GatewayProcess;

beforeAll(async () => {
  const port = await freePort();
  redis = await startRedis('--port', String(port));
  await redis.client.acl('SETUSER', 'gate', 'on', `>${PASSWORD}`, '~*', '+@all');
  gateway = await startGatewayProcess({
    REDIS_URL: `redis://gate:${PASSWORD}@127.0.0.1:${port}`,
    LOG_LEVEL: 'debug',
  });
});

afterAll(async () => {
  await gateway.stop();
  await redis.stop();
});

const said = (msg: string) => gateway.log.filter((record) => record.msg === msg);

test('a connection that is closed is named, with its device, streams and the reason', async () => {
  const silent = await TestSocket.open(`${gateway.ws}/data/a+b/push?device_id=cam`);
  silent.send('[1,2,3]', Buffer.from(PAYLOAD));
  await silent.closed;
  await vi.waitFor(() => expect(said('a connection is closed').length).toBe(1), SOON);
  const [closed] = said('a connection is closed');
  expect(closed).toMatchObject({
    level: 30,
    connection: expect.stringMatching(/^c[0-9a-z]+$/),
    endpoint: 'push',
    device: 'cam',
    streams: ['a', 'b'],
    code: 'bad_header',
    reason: expect.stringMatching(/\w/),
  });
  // By that name its whole life can be found.
  await vi.waitFor(() => {
    const life = gateway.log.filter(({ connection }) => connection === closed!.connection);
    expect(life.map(({ msg }) => msg)).toEqual([
      'a connection is open',
      'a connection is closed',
      'a connection has ended',
    ]);
  }, SOON);
});

test('every connection has a name of its own, and one that ends well says so at debug only', async () => {
  const sockets = await Promise.all(
    ['push', 'pull'].map((end) => TestSocket.open(`${gateway.ws}/data/x/${end}?device_id=other`)),
  );
  const graphql = await GraphqlSocket.open(gateway);
  await Promise.all([...sockets, graphql].map((socket) => socket.close()));
  await vi.waitFor(() => {
    const open = new Set(said('a connection is open').map(({ connection }) => connection));
    const ended = new Set(said('a connection has ended').map(({ connection }) => connection));
    expect(open.size).toBe(said('a connection is open').length);
    expect(ended).toEqual(open);
  }, SOON);
  const records = gateway.log.filter(({ device, endpoint }) => device === 'other' || endpoint === 'graphql');
  expect(new Set(records.map(({ level }) => level))).toEqual(new Set([20]));
});

test('no payload, no metadata and no password is ever logged, whatever goes wrong', async () => {
  // Entries that are refused, metadata that cannot be stored, keys of other types, requests that fail.
  const producer = await TestSocket.open(`${gateway.ws}/data/x/push?ack=1`);
  await producer.push([1], PAYLOAD);
  await redis.client.set(':stream:meta:default:x', 'kept');
  await redis.client.set('default:text', PAYLOAD);
  producer.send(JSON.stringify([['text', PAYLOAD.length]]), Buffer.from(PAYLOAD));
  const post = (query: string) =>
    fetch(`${gateway.http}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ query }),
    });
  await redis.client.del(':devices:seen');
  await redis.client.set(':devices:seen', 'no set');
  await post(`mutation { updateDeviceMeta(deviceId: "d", meta: {a: "${PAYLOAD}"}) }`);
  await post('{ devices(includeAll: true) { id } }');
  await post(`{ ${PAYLOAD.replaceAll('-', '_')} }`);
  await fetch(`${gateway.http}/data/x?password=${PASSWORD}&count=${PAYLOAD}`);
  await fetch(`${gateway.http}/data/text?last_entry_id=0`);

  // Redis goes away with everything under way, and does not let anyone in for a while.
  const warnings = () => gateway.log.filter(({ level }) => Number(level) >= 40).length;
  redis.process.kill('SIGKILL');
  await once(redis.process, 'exit');
  producer.send(JSON.stringify([['x', PAYLOAD.length]]), Buffer.from(PAYLOAD));
  await redis.restart();
  await vi.waitFor(() => expect(warnings()).toBeGreaterThan(0), SOON);
  await redis.client.acl('SETUSER', 'gate', 'on', `>${PASSWORD}`, '~*', '+@all');
  await vi.waitFor(async () => expect((await fetch(`${gateway.http}/readyz`)).status).toBe(200), SOON);
  await producer.close();

  const log = JSON.stringify(gateway.log);
  expect(gateway.log.length).toBeGreaterThan(5);
  for (const secret of [PASSWORD, PAYLOAD, 'gate:']) expect(log).not.toContain(secret);
});
