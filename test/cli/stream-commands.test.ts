/** `streamgate ls`, `info` and `bench`. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { PipesFixture } from '../support/pipes.js';

let fixture: PipesFixture;

beforeAll(async () => {
  fixture = await PipesFixture.start();
});

afterAll(() => fixture?.stop());

describe.concurrent('about streams', () => {
  test('ls lists them, or those that fit', async () => {
    await fixture.add('list-one', '1-0', 'x');
    await fixture.redis.client.xadd('cam9:list-two', '*', 'd', 'xxx');
    const { out, code } = await fixture.run(['ls', 'list-']);
    expect(out).toMatch(/^1 +[\d.]+ h +1 B {2}default:list-one\n$/m);
    expect(out).toMatch(/^1 +[\d.]+ (ms|s) +3 B {2}cam9:list-two$/m);
    expect(out.split('\n')).toHaveLength(3);
    expect(code).toBe(0);
    expect((await fixture.run(['ls', 'cam9:*'])).out).toMatch(/list-two\n$/);
    expect((await fixture.run(['ls', '[list-two]'])).out).toBe('');
  });

  test('info tells what a stream holds', async () => {
    await fixture.redis.client.xadd('cam8:info', '5-0', 'd', '{"a": 1}');
    await fixture.redis.client.set(':stream:meta:cam8:info', '{"unit": "K"}');
    const { out } = await fixture.run(['info', 'info', '--device', 'cam8']);
    expect(out).toContain('entries        1, 1 ever added\n');
    expect(out).toContain('its size       8 B, application/json\n');
    expect(out).toContain('metadata       {"unit":"K"}\n');
    const { out: json } = await fixture.run(['info', 'cam8:info', '--json']);
    expect(JSON.parse(json)).toMatchObject({
      id: 'cam8:info',
      length: 1,
      lastEntryId: '5-0',
      meta: { unit: 'K' },
    });
    expect(await fixture.run(['info', 'nothing'])).toMatchObject({
      code: 1,
      errors: 'there is no stream nothing: no such key\n',
    });
  });

  test('bench says what it measured, and leaves nothing behind', async () => {
    const { out, code } = await fixture.run([
      'bench',
      '--duration',
      '1',
      '--size',
      '100',
      '--rate',
      '50',
      '--device',
      'bench',
    ]);
    expect(out).toMatch(/^entries of 100 B, .* for 1 s, in the stream bench-\w+ at http/);
    expect(out).toMatch(/\npush, acknowledged +\d+ messages\/s, [\d.]+ MB\/s \(/);
    expect(out).toMatch(/\npush to pull +p50 [\d.e+]+ ms, p99 [\d.e+]+ ms \(\d+ of \d+ entries, 50\/s\)\n$/);
    expect(code).toBe(0);
    expect(await fixture.redis.client.keys('bench:*')).toEqual([]);
  });
});
