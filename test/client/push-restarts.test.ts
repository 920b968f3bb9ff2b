/** What a producer of the client makes of a gateway that is killed and started again meanwhile. */
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import type { GatewayError } from '../../src/client/gateway-error.js';
import { Streamgate } from '../../src/client/node.js';
import { RestartedGateway } from '../support/restarted-gateway.js';

/** Others use the machine at the same time. */
const soon = (check: () => void) => vi.waitFor(check, { timeout: 20_000 });

let gateway: RestartedGateway;

beforeAll(async () => {
  gateway = await RestartedGateway.start();
});

beforeEach(async () => {
  await gateway.redis.client.flushall();
});

afterAll(() => gateway?.stop());

test('a producer goes on, and tells of each entry whether it is stored', async () => {
  const producer = new Streamgate(gateway.url).push('cam');
  const outcomes = new Map<string, string>();
  let sent = 0;
  const send = () => {
    const value = String(sent++);
    producer.send(value).then(
      () => outcomes.set(value, 'stored'),
      (error: GatewayError) => outcomes.set(value, error.code),
    );
  };
  const timer = setInterval(send, 5);
  try {
    await soon(() => expect(outcomes.size).toBeGreaterThan(20));
    await gateway.restart('SIGKILL');
    const before = sent;
    await soon(() => expect(outcomes.get(String(before))).toBe('stored'));
  } finally {
    clearInterval(timer);
  }
  await producer.close();
  expect(outcomes.size).toBe(sent);
  expect(
    [...new Set(outcomes.values())].filter((code) => code !== 'stored' && code !== 'unknown_outcome'),
  ).toEqual([]);
  const kept = (await gateway.redis.client.xrange('default:cam', '-', '+')).map(([, fields]) => fields[1]!);
  // In order, each once, none of those told as stored missing.
  expect([...kept].sort((a, b) => Number(a) - Number(b))).toEqual(kept);
  expect(new Set(kept).size).toBe(kept.length);
  const told = [...outcomes].filter(([, outcome]) => outcome === 'stored').map(([value]) => value);
  expect(told.filter((value) => !kept.includes(value))).toEqual([]);
});

test.each([
  ['entries with ids of their own', {}, (index: number) => ({ time: `${1_700_000_000_000 + index}-0` })],
  ['with resend', { resend: true }, () => ({})],
])('%s are sent again until they are stored', async (_name, options, sendOptions) => {
  const producer = new Streamgate(gateway.url).push('cam', options);
  const sends: Promise<string>[] = [];
  const timer = setInterval(
    () => sends.push(producer.send(String(sends.length), sendOptions(sends.length))),
    5,
  );
  try {
    await soon(() => expect(sends.length).toBeGreaterThan(20));
    await gateway.restart('SIGKILL');
    const before = sends.length;
    await soon(() => expect(sends.length).toBeGreaterThan(before + 20));
  } finally {
    clearInterval(timer);
  }
  await Promise.all(sends);
  await producer.close();
  const kept = (await gateway.redis.client.xrange('default:cam', '-', '+')).map(([, fields]) => fields[1]!);
  expect(new Set(kept)).toEqual(new Set(sends.map((_, index) => String(index))));
});

test('a producer loses nothing to a gateway that goes down in order', async () => {
  const producer = new Streamgate(gateway.url).push('cam');
  const sends: Promise<string>[] = [];
  const timer = setInterval(() => sends.push(producer.send(String(sends.length))), 2);
  try {
    await soon(() => expect(sends.length).toBeGreaterThan(50));
    await gateway.restart('SIGTERM');
  } finally {
    clearInterval(timer);
  }
  await Promise.all(sends);
  await producer.close();
  const kept = (await gateway.redis.client.xrange('default:cam', '-', '+')).map(([, fields]) => fields[1]!);
  expect(kept).toEqual(sends.map((_, index) => String(index)));
});
