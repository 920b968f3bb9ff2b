/** A gateway with access control: what a client's token lets it do. */
import { expect } from 'vitest';
import { type AccessFixture, allows, startAccessFixture } from '../support/access.js';
import type { Case, World } from './world.js';

type Name = 'writer' | 'reader' | 'camera';

const send = (content: string) => ({ name: 'p', entries: [{ data: { text: content } }] });

async function checkRights(world: World, { gateway, tokens, redis }: AccessFixture<Name>): Promise<void> {
  const url = gateway.http;
  const writer = await world.open({ url, token: tokens.writer });
  await writer.call('push', { name: 'p', stream: 'x' });
  const [id] = await writer.call('send', send('pushed'));
  const ids = [id, await writer.call('append', { stream: 'x', data: { text: 'appended' } })];
  const reader = await world.open({ url, token: tokens.reader });
  const pull = await reader.pull('x', { lastEntryId: '0' });
  await pull.until(() => pull.entries.length === 2);
  expect(pull.ids).toEqual(ids);
  expect((await reader.call('streams', {})).map((stream) => stream.id)).toEqual(['default:x']);
  await reader.call('push', { name: 'p', stream: 'x' });
  expect(await reader.call('send', send('no'))).toMatchObject([{ code: 'forbidden' }]);
  const append = reader.call('append', { stream: 'x', data: { text: 'no' } });
  await expect(append).rejects.toMatchObject({ code: 'forbidden' });
  const update = reader.call('updateStreamMeta', { stream: 'default:x', meta: {}, merge: false });
  await expect(update).rejects.toMatchObject({ code: 'forbidden' });
  const camera = await world.open({ url, token: tokens.camera });
  await camera.call('append', { stream: 'front', data: { text: 'picture' } });
  expect(await redis.client.xlen('camera:front')).toBe(1);
  await camera.call('updateStreamMeta', { stream: 'front', meta: { lens: 1 }, merge: true });
  expect(await camera.call('streamMeta', { stream: 'front' })).toEqual({ lens: 1 });
}

async function checkRefusals(world: World, { gateway }: AccessFixture<Name>): Promise<void> {
  const url = gateway.http;
  for (const [token, code] of [
    [undefined, 'unauthorized'],
    ['sg_nobody_has_this_token', 'invalid_token'],
  ] as const) {
    const client = await world.open(token === undefined ? { url } : { url, token });
    const pull = await client.pull('x', { lastEntryId: '0' });
    expect((await pull.end())?.code).toBe(code);
    await client.call('push', { name: 'p', stream: 'x' });
    expect(await client.call('send', send('no'))).toMatchObject([{ code }]);
    await expect(client.call('latest', { stream: 'x' })).rejects.toMatchObject({ code });
    await expect(client.call('streams', {})).rejects.toMatchObject({ code });
  }
}

async function checkRevocation(world: World, fixture: AccessFixture<Name>): Promise<void> {
  const { gateway, tokens } = fixture;
  const client = await world.open({ url: gateway.http, token: tokens.reader });
  const pull = await client.pull('x', { lastEntryId: '0' });
  await pull.until(() => pull.entries.length === 2);
  await fixture.rewrite({ writer: { rights: allows('read') } });
  expect(await pull.end()).toMatchObject({ code: 'closed', closeCode: 4401 });
}

export const ACCESS_CASES: readonly Case[] = [
  {
    name: 'a token: what it allows, what not, none, a wrong one, and one that is revoked under way',
    run: async (world) => {
      const fixture = await startAccessFixture<Name>({
        writer: { rights: allows('read', 'write', 'meta') },
        reader: { rights: allows('read') },
        camera: { device: 'camera', rights: allows('read', 'write', 'meta') },
      });
      try {
        await checkRights(world, fixture);
        await checkRefusals(world, fixture);
        await checkRevocation(world, fixture);
      } finally {
        await fixture.stop();
      }
    },
  },
];
