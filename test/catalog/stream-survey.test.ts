import { beforeEach, describe, expect, test } from 'vitest';
import {
  ScriptsRefused,
  type SurveyedStream,
  surveyStreams,
  unknownState,
} from '../../src/catalog/stream-survey.js';
import { controlForFile, openControl } from '../support/control.js';

const MIB = 1024 * 1024;

const { redis, control } = await controlForFile();

beforeEach(async () => {
  await redis.client.flushdb();
  await redis.client.call('ACL', 'SETUSER', 'default', 'allkeys', '+@all');
});

/** Looks again and again until all were looked at. @returns how often that took */
async function surveyAll(states: readonly SurveyedStream[]): Promise<number> {
  let left = [...states];
  for (let rounds = 1; ; rounds++) {
    const looked = new Set(await surveyStreams(control, left));
    left = left.filter((state) => !looked.has(state));
    if (left.length === 0) return rounds;
    expect(looked.size).toBeGreaterThan(0);
  }
}

describe('a stream', () => {
  test('has its length, all that were ever added, the newest id and its payload in bytes', async () => {
    for (const id of ['1-0', '2-0', '3-0']) await redis.client.xadd('a:x', id, 'other', '12', 'd', 'payload');
    await redis.client.xtrim('a:x', 'MAXLEN', 2);
    const state = unknownState('a:x');
    expect(await surveyStreams(control, [state])).toEqual([state]);
    expect(state).toEqual({
      key: 'a:x',
      length: 2,
      entriesAdded: 3,
      lastEntryId: '3-0',
      lastEntryBytes: 7,
      isForbidden: false,
    });
  });

  test('is seen to change, in length, in what is newest, or in both', async () => {
    const state = unknownState('a:x');
    await redis.client.xadd('a:x', '1-0', 'd', 'one');
    await surveyStreams(control, [state]);
    await redis.client.xadd('a:x', '2-0', 'd', 'four');
    await surveyStreams(control, [state]);
    expect(state).toMatchObject({ length: 2, entriesAdded: 2, lastEntryId: '2-0', lastEntryBytes: 4 });
    await redis.client.xadd('a:x', 'MAXLEN', 2, '3-0', 'd', 'five.');
    await surveyStreams(control, [state]);
    expect(state).toMatchObject({ length: 2, entriesAdded: 3, lastEntryId: '3-0', lastEntryBytes: 5 });
    await redis.client.xtrim('a:x', 'MAXLEN', 1);
    await surveyStreams(control, [state]);
    expect(state).toMatchObject({ length: 1, entriesAdded: 3, lastEntryId: '3-0' });
    await redis.client.xtrim('a:x', 'MAXLEN', 0);
    await surveyStreams(control, [state]);
    expect(state).toMatchObject({ length: 0, entriesAdded: 3, lastEntryId: '', lastEntryBytes: 0 });
  });

  test('that others write has the bytes of all its values', async () => {
    await redis.client.xadd('plain', '1-0', 'a', '12', 'b', '345');
    const state = unknownState('plain');
    await surveyStreams(control, [state]);
    expect(state).toMatchObject({ lastEntryId: '1-0', lastEntryBytes: 5 });
  });

  test('that is gone, or is none, has nothing', async () => {
    await redis.client.set('text', 'x');
    await redis.client.xadd('a:x', '1-0', 'd', 'one');
    const states = [unknownState('text'), unknownState('missing'), unknownState('a:x')];
    await surveyStreams(control, states);
    await redis.client.del('a:x');
    await surveyStreams(control, states);
    for (const state of states) expect(state).toEqual(unknownState(state.key));
  });
});

describe('many streams', () => {
  test('are all looked at', async () => {
    const states = Array.from({ length: 1000 }, (_, n) => unknownState(`s:${n}`));
    const pipeline = redis.client.pipeline();
    for (const [n, { key }] of states.entries()) pipeline.xadd(key, `${n + 1}-0`, 'd', 'x');
    await pipeline.exec();
    expect(await surveyAll(states)).toBe(1);
    expect(states.map(({ lastEntryId }) => lastEntryId)).toEqual(states.map((_, n) => `${n + 1}-0`));
  });

  test('of large frames hold up Redis for a few of them at a time, and move none', async () => {
    const states = Array.from({ length: 60 }, (_, n) => unknownState(`s:${n}`));
    for (const { key } of states) await redis.client.xadd(key, '1-0', 'd', Buffer.alloc(MIB));
    const stats = async (section: string, name: string) =>
      Number(new RegExp(`${name}[:=](\\d+)`).exec(await redis.client.info(section))![1]);
    await redis.client.call('CONFIG', 'RESETSTAT');
    expect(await surveyAll(states)).toBeGreaterThan(1);
    expect(states.map(({ lastEntryBytes }) => lastEntryBytes)).toEqual(states.map(() => MIB));
    // A call ends after the frame that makes it two.
    expect(await stats('commandstats', 'cmdstat_evalsha:calls')).toBeGreaterThan(15);
    expect(await stats('stats', 'total_net_output_bytes')).toBeLessThan(MIB);
    // And where nothing has changed, one is enough for all.
    await redis.client.call('CONFIG', 'RESETSTAT');
    await surveyAll(states);
    expect(await stats('commandstats', 'cmdstat_evalsha:calls')).toBe(1);
  });
});

describe('a Redis that refuses', () => {
  test('some of the keys hides those alone', async () => {
    const states = Array.from({ length: 20 }, (_, n) => unknownState(`${n % 5 === 0 ? 'no' : 'yes'}:${n}`));
    for (const { key } of states) await redis.client.xadd(key, '1-0', 'd', 'x');
    await redis.client.call('ACL', 'SETUSER', 'limited', 'on', 'nopass', '~yes:*', '+@all');
    const limited = await openControl(redis);
    try {
      await limited.masters()[0]!.call('AUTH', 'limited', 'x');
      await surveyStreams(limited, states);
      for (const { key, isForbidden, length } of states) {
        expect([key, isForbidden, length]).toEqual(key.startsWith('no') ? [key, true, -1] : [key, false, 1]);
      }
    } finally {
      limited.close();
    }
  });

  test('scripts is told apart', async () => {
    await redis.client.call('ACL', 'SETUSER', 'default', '-@scripting');
    await expect(surveyStreams(control, [unknownState('a:x')])).rejects.toBeInstanceOf(ScriptsRefused);
  });
});
