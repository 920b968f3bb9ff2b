/** DISABLE_MULTI_DEVICE_PREFIXING: the keys are `{prefix}{sid}`. */
import { expect, test } from 'vitest';
import { startForFile } from '../../../support/gateway-fixture.js';
import { postEntries, readEntries, refused } from '../../../support/http.js';
import { TestSocket } from '../../../support/socket.js';

const { redis, gateway } = await startForFile({ DISABLE_MULTI_DEVICE_PREFIXING: '1' });

const address = (path: string) => `${gateway.http}/data/${path}`;

test('a stream has its bare name, whatever the device', async () => {
  const [first] = await postEntries(address('bare'), '1');
  const [second] = await postEntries(address('bare?device_id=robot'), '2');
  expect(await redis.client.keys('*bare')).toEqual(['bare']);
  for (const query of ['', '&device_id=other', '&keep_device_id_in_stream_id=1']) {
    const { entries } = await readEntries(address(`bare?last_entry_id=0&count=9${query}`));
    expect(entries).toEqual([
      ['bare', first, '1'],
      ['bare', second, '2'],
    ]);
  }
});

test('the prefix stays', async () => {
  const [id] = await postEntries(address('left?prefix=cam/'), 'x');
  expect(await redis.client.exists('cam/left')).toBe(1);
  const path = address('left?prefix=cam/&last_entry_id=0');
  expect((await readEntries(path)).entries).toEqual([['left', id, 'x']]);
  const kept = await readEntries(`${path}&keep_device_id_in_stream_id=1`);
  expect(kept.entries).toEqual([['cam/left', id, 'x']]);
});

test('a key that another writer named is read and written by its name', async () => {
  await redis.client.xadd('robot:left', '1-0', 'd', 'theirs');
  const [id] = await postEntries(address('robot:left'), 'ours');
  expect((await readEntries(address('robot:left?last_entry_id=0&count=9'))).entries).toEqual([
    ['robot:left', '1-0', 'theirs'],
    ['robot:left', id, 'ours'],
  ]);
});

test('no prefix makes a system stream of another', async () => {
  for (const path of ['x?prefix=:', 'event:device.meta?prefix=:', ':x']) {
    const response = await fetch(address(path), { method: 'POST', body: 'x' });
    expect(await refused(response)).toMatchObject({ status: 403, code: 'reserved_name' });
    await expect(TestSocket.open(`${gateway.ws}/data/${path.replace(/\?|$/, '/push?')}`)).rejects.toThrow(
      /^403 .*reserved_name/,
    );
  }
  expect(await redis.client.keys(':*')).toEqual([]);
});

test('a device id is checked all the same', async () => {
  const response = await fetch(address('x?device_id=a:b'), { method: 'POST', body: 'x' });
  expect(await refused(response)).toMatchObject({ status: 400, code: 'bad_name' });
});
