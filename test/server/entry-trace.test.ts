/** At level trace the log tells where each entry has been, by its id, and never what is in it. */
import { expect, test, vi } from 'vitest';
import { EntryTrace } from '../../src/system/entry-trace.js';
import { createLogger } from '../../src/system/logger.js';
import { startForFile } from '../support/gateway-fixture.js';
import { GraphqlSocket } from '../support/graphql-socket.js';
import { OpenAnswer } from '../support/open-answer.js';
import { TestSocket } from '../support/socket.js';

const SOON = { timeout: 10_000, interval: 20 };
const PAYLOAD = 'the-payload-of-an-entry';

const { gateway } = await startForFile({ LOG_LEVEL: 'trace' });

/** What the log tells of an entry, in order. */
const wayOf = (id: string) => gateway.log.filter((record) => JSON.stringify(record).includes(`"${id}"`));

async function append(sid: string): Promise<string> {
  const answer = await fetch(`${gateway.http}/data/${sid}`, { method: 'POST', body: PAYLOAD });
  const [id] = (await answer.json()) as [string];
  return id;
}

test('a POST: stored and acknowledged', async () => {
  const id = await append('post');
  await vi.waitFor(() => expect(wayOf(id)).toHaveLength(2), SOON);
  expect(wayOf(id)).toMatchObject([
    { level: 10, msg: 'an entry is stored', endpoint: 'post', stream: 'default:post', id },
    { level: 10, msg: 'acks are sent', endpoint: 'post', acks: [id] },
  ]);
});

test('a push with acks: stored and acknowledged, or refused with its code, by the connection', async () => {
  const socket = await TestSocket.open(`${gateway.ws}/data/acks/push?ack=1`);
  const [id] = (await socket.push([PAYLOAD.length], PAYLOAD)) as [string];
  await socket.push([['acks', '5-5', PAYLOAD.length]], PAYLOAD);
  await vi.waitFor(() => expect(wayOf('id_not_increasing')).toHaveLength(2), SOON);
  const { connection } = gateway.log.find(({ streams }) => String(streams) === 'acks')!;
  expect(wayOf(id)).toMatchObject([
    { msg: 'an entry is stored', connection, endpoint: 'push', stream: 'default:acks', id },
    { msg: 'acks are sent', connection, acks: [id] },
  ]);
  expect(wayOf('id_not_increasing')).toMatchObject([
    { msg: 'an entry is refused', connection, stream: 'default:acks', id: '5-5' },
    { msg: 'acks are sent', connection, acks: ['id_not_increasing'] },
  ]);
  await socket.close();
});

test('a push without acks, whose entries are read by a thread and sent to all followers', async () => {
  const follower = await TestSocket.open(`${gateway.ws}/data/live/pull?header=0`);
  const events = await OpenAnswer.open(gateway, '/data/live/events');
  const graphql = await GraphqlSocket.open(gateway);
  const subscription = graphql.run('subscription { data(streamIds: ["live"]) { time } }');
  const producer = await TestSocket.open(`${gateway.ws}/data/live/push?header=0`);
  // Until the subscription follows.
  await vi.waitFor(async () => {
    producer.send(PAYLOAD);
    await vi.waitFor(() =>
      expect(gateway.log.some(({ endpoint, ids }) => endpoint === 'graphql' && ids)).toBe(true),
    );
  }, SOON);
  const { stream, ids } = gateway.log.find(({ endpoint, ids }) => endpoint === 'graphql' && ids)!;
  expect(stream).toBe('default:live');
  const [id] = ids as [string];
  const told = () => wayOf(id).map(({ msg, endpoint }) => `${msg} ${endpoint ?? ''}`.trim());
  await vi.waitFor(() => expect(told()).toHaveLength(5), SOON);
  // A thread may have read it before Redis' answer to the producer was taken in.
  expect(told().sort()).toEqual([
    'an entry is stored push',
    'entries are read',
    'entries are sent events',
    'entries are sent graphql',
    'entries are sent pull',
  ]);
  for (const each of [follower, producer, graphql]) await each.close();
  events.leave();
  void subscription;
});

test('what is read by HTTP', async () => {
  const id = await append('rest');
  await fetch(`${gateway.http}/data/rest?last_entry_id=0`);
  await fetch(`${gateway.http}/data/rest/latest`);
  await vi.waitFor(() => expect(wayOf(id)).toHaveLength(4), SOON);
  expect(wayOf(id).slice(2)).toMatchObject([
    { msg: 'entries are sent', endpoint: 'get', stream: 'default:rest', ids: [id] },
    { msg: 'entries are sent', endpoint: 'latest', stream: 'default:rest', ids: [id] },
  ]);
});

test('no payload', () => {
  expect(gateway.log.length).toBeGreaterThan(15);
  expect(JSON.stringify(gateway.log)).not.toContain(PAYLOAD);
});

test('there is no trace where less is logged', () => {
  for (const level of ['debug', 'info', 'silent'])
    expect(EntryTrace.start(createLogger(level))).toBeUndefined();
  expect(EntryTrace.start(createLogger('trace', { write: () => {} }))).toBeDefined();
});
