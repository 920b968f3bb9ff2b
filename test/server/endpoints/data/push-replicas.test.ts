/** `min_replicas`: an entry is acknowledged once so many replicas have it, by WebSocket and by REST. */
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { type GatewayProcess, startGatewayProcess } from '../../../support/gateway-process.js';
import { type ReplicatedRedis, startReplicatedRedis } from '../../../support/replicated-redis.js';
import { TestSocket } from '../../../support/socket.js';

const ID = expect.stringMatching(/^\d+-\d+$/);
const short = (wanted: number, replicas: number) => ({
  error: `the entry is stored; ${replicas} of ${wanted} replicas have it so far`,
  code: 'not_replicated',
  id: ID,
  replicas,
});

let redis: ReplicatedRedis;
let gateway: GatewayProcess;

beforeAll(async () => {
  redis = await startReplicatedRedis();
  gateway = await startGatewayProcess({ REDIS_URL: redis.master.url });
});

afterEach(async () => {
  redis.replica.process.kill('SIGCONT');
  await redis.inStep();
});

afterAll(async () => {
  await gateway.stop();
  await redis.stop();
});

const push = (sid: string, query: string) => TestSocket.open(`${gateway.ws}/data/${sid}/push?ack=1&${query}`);
const post = (sid: string, query: string, body: RequestInit['body']) =>
  fetch(`${gateway.http}/data/${sid}?${query}`, { method: 'POST', body: body! });
const idsOn = async (server: 'master' | 'replica', sid: string) =>
  (await redis[server].client.xrange(`default:${sid}`, '-', '+')).map(([id]) => id);

function form(...entries: string[]): FormData {
  const body = new FormData();
  for (const entry of entries) body.append('entries', new Blob([entry]), 'x');
  return body;
}

test('with as many replicas as were asked for, acks hold the ids, which the replica has', async () => {
  const socket = await push('a', 'min_replicas=1');
  const acks = await socket.push([1, 2, 3], 'abc');
  expect(acks).toEqual([ID, ID, ID]);
  expect(await idsOn('replica', 'a')).toEqual(acks);
  await socket.close();

  const answer = await post('b', 'min_replicas=1', form('x', 'y'));
  const ids = await answer.json();
  expect([answer.status, ids]).toEqual([200, [ID, ID]]);
  expect(await idsOn('replica', 'b')).toEqual(ids);
});

test('with fewer, each entry is told to be stored, under which id, and how many replicas have it', async () => {
  const socket = await push('c', 'min_replicas=2&header=0');
  socket.send('x');
  const [ack] = await socket.receiveJson<{ id: string }[]>();
  expect(ack).toEqual(short(2, 1));
  expect(await idsOn('master', 'c')).toEqual([ack!.id]);

  redis.replica.process.kill('SIGSTOP');
  const answer = await post('d', 'min_replicas=1', form('x', 'y'));
  const told = (await answer.json()) as { entries: { id: string }[] };
  const { id: _, replicas: __, ...failure } = short(1, 0);
  expect([answer.status, answer.headers.get('retry-after')]).toEqual([504, null]);
  expect(told).toEqual({ ...failure, entries: [short(1, 0), short(1, 0)] });
  expect(await idsOn('master', 'd')).toEqual(told.entries.map(({ id }) => id));

  // What is refused beside it is told as ever, in its place.
  const mixed = await push('*', 'min_replicas=1');
  const acks = await mixed.push(
    [
      ['c', 1],
      [':system', 2],
      ['c', 3],
    ],
    'abc',
  );
  expect(acks).toEqual([short(1, 0), expect.objectContaining({ code: 'reserved_name' }), short(1, 0)]);
  expect(await gateway.metric('entries_refused_total{code="not_replicated"}')).toBe(0);
  await Promise.all([socket.close(), mixed.close()]);
});

test('others are not held up', async () => {
  redis.replica.process.kill('SIGSTOP');
  const [patient, other] = await Promise.all([push('e', 'min_replicas=1'), push('e', '')]);
  let isTold = false;
  const waiting = patient.push([], 'x').then(() => {
    isTold = true;
  });
  for (let round = 0; round < 20; round++) expect(await other.push([], 'y')).toEqual([ID]);
  expect((await post('e', '', 'z')).status).toBe(200);
  expect(isTold).toBe(false);
  await waiting;
  await Promise.all([patient.close(), other.close()]);
});

test('a wrong form is refused before anything is stored', async () => {
  expect((await post('f', 'min_replicas=10', 'x')).status).toBe(400);
  await expect(TestSocket.open(`${gateway.ws}/data/f/push?min_replicas=1`)).rejects.toThrow(/^400 .*ack=1/);
  expect(await idsOn('master', 'f')).toEqual([]);
});
