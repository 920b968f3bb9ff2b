/** Tokens by the clients that people have, as docs/access.md shows them. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { createClient } from 'graphql-ws';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { type AccessFixture, allows, startAccessFixture } from '../support/access.js';
import { MAIN } from '../support/gateway-process.js';
import { PYTHON } from '../support/machine.js';

let fixture: AccessFixture<'cam1' | 'viewers'>;

beforeAll(async () => {
  fixture = await startAccessFixture({
    cam1: { device: 'cam1', rights: allows('read', 'write') },
    viewers: { rights: allows('read') },
  });
});

afterAll(() => fixture?.stop());

const exec = promisify(execFile);

test('curl', async () => {
  const { gateway, tokens } = fixture;
  const curl = (...args: string[]) => exec('curl', ['-s', '-S', '--fail-with-body', ...args]);
  const url = `${gateway.http}/data/by-curl`;
  const header = ['-H', `Authorization: Bearer ${tokens.cam1}`];
  expect((await curl(...header, '--data-binary', 'frame', url)).stdout).toMatch(/^\["\d+-\d+"\]$/);
  expect((await curl(...header, `${url}?last_entry_id=0`)).stdout).toBe('frame');
  await expect(curl(`${url}?last_entry_id=0`)).rejects.toMatchObject({
    stdout: expect.stringContaining('unauthorized'),
  });
});

const SCRIPT = `
import asyncio, os, sys, requests, websockets
token = os.environ['TOKEN']

async def main():
    async with websockets.connect(sys.argv[1].replace('http', 'ws') + '/data/by-python/push?header=0&ack=1',
                                  subprotocols=['streamgate', f'bearer.{token}']) as ws:
        await ws.send(b'frame')
        assert (await ws.recv()).startswith('["')
        assert ws.subprotocol == 'streamgate'

asyncio.run(main())
answer = requests.get(sys.argv[1] + '/data/by-python?latest=1&last_entry_id=0', headers={'Authorization': f'Bearer {token}'})
print(answer.status_code, answer.text)
`;

test('Python', async () => {
  const { gateway, tokens } = fixture;
  const env = { ...process.env, TOKEN: tokens.cam1 };
  const { stdout } = await exec(PYTHON, ['-c', SCRIPT, gateway.http], { env });
  expect(stdout).toBe('200 frame\n');
  expect(await fixture.redis.client.xlen('cam1:by-python')).toBe(1);
});

test('JavaScript', async () => {
  const { gateway, tokens, redis } = fixture;
  await redis.client.xadd('cam1:by-js', '1-0', 'd', 'frame');
  const ws = new WebSocket(`${gateway.ws}/data/by-js/pull?last_entry_id=0&header=0`, [
    'streamgate',
    `bearer.${tokens.cam1}`,
  ]);
  expect(String(await new Promise((resolve) => ws.once('message', resolve)))).toBe('frame');
  ws.close();
  const client = createClient({
    url: `${gateway.ws}/graphql`,
    webSocketImpl: WebSocket,
    connectionParams: { token: tokens.cam1 },
  });
  const query = 'subscription { data(streamIds: ["by-js"], lastEntryId: "0") { streamId string } }';
  for await (const result of client.iterate({ query })) {
    expect(result).toEqual({ data: { data: { streamId: 'by-js', string: 'frame' } } });
    break;
  }
  await client.dispose();
});

test('the sample client', async () => {
  const { gateway, tokens } = fixture;
  const run = (token: string | undefined, ...args: string[]) =>
    exec(process.execPath, [MAIN, ...args, '--url', gateway.http], {
      env: { ...process.env, ...(token === undefined ? {} : { STREAMGATE_TOKEN: token }) },
    }).catch((error: { stderr: string }) => error);
  // Each is a process that takes its time to start.
  await Promise.all([
    run(tokens.cam1, 'push_increment', 'counted', '--count', '3', '--rate', '0'),
    run(tokens.cam1, 'push_image_rest', 'images', '--count', '1', '--shape', '[8,8]'),
  ]);
  const [pulled, listed, refused] = await Promise.all([
    run(tokens.cam1, 'pull_raw', 'counted', '--last-entry-id', '0', '--count', '3'),
    run(undefined, 'ls', '--token', tokens.viewers),
    run('wrong', 'pull_image_rest', 'images'),
  ]);
  expect(pulled).toMatchObject({ stdout: expect.stringContaining('1 B') });
  expect(listed).toMatchObject({
    stdout: expect.stringMatching(/^3 .* 1 B {2}cam1:counted\n1 .* {2}cam1:images$/m),
  });
  expect(refused.stderr).toBe('the gateway refused: the token is not valid (invalid_token, HTTP 401)\n');
});
