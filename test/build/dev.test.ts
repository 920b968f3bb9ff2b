/** `npm run dev` starts the gateway anew with each change, and keeps the old one where the new one cannot be built. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { makeProject } from './small-project.js';

const SOON = { timeout: 15_000, interval: 50 };
/** A program in the gateway's place: says that it runs, what it was given, and how it ends. */
const gatewayThatSays = (name: string) => `
  console.log('${name} runs', process.argv.slice(2).join(' '));
  process.on('SIGTERM', () => { console.log('${name} ends'); process.exit(); });
  setInterval(() => {}, 1000);
`;

test('a change restarts the gateway, and one that does not build does not', async () => {
  const project = await makeProject();
  await project.write('src/main.js', gatewayThatSays('first'));
  await project.build();
  const dev = spawn(process.execPath, [join(project.folder, 'src/build/dev.mjs'), '--port', '9'], {
    cwd: project.folder,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => {
    dev.kill('SIGKILL');
  });
  let out = '';
  dev.stdout.on('data', (chunk) => {
    out += chunk;
  });
  await vi.waitFor(() => expect(out).toBe('first runs serve --port 9\n'), SOON);

  await project.write('src/main.js', 'broken');
  await vi.waitFor(async () => expect(await project.builds()).toBe(2), SOON);
  await project.write('src/main.js', gatewayThatSays('second'));
  const both = 'first runs serve --port 9\nfirst ends\nsecond runs serve --port 9\n';
  await vi.waitFor(() => expect(out).toBe(both), SOON);

  dev.kill('SIGTERM');
  await once(dev, 'exit');
  expect(out).toBe(`${both}second ends\n`);
});
