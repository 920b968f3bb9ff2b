/** What `import … from 'streamgate'` gives: in Node by the built package, in browsers by a bundler. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { build } from 'vite';
import { expect, test } from 'vitest';

/** The client is to stay small: a page may have it besides all else. */
const MOST_GZIPPED_BYTES = 20_000;

test('in Node the client, its errors and their types', async () => {
  // A package finds itself by its own name.
  const script = "import('streamgate').then((it) => console.log(Object.keys(it).sort().join()))";
  const { stdout } = await promisify(execFile)(process.execPath, ['-e', script]);
  expect(stdout).toBe('GatewayError,Streamgate\n');
  for (const face of ['node', 'browser']) expect(existsSync(`dist/src/client/${face}.d.ts`)).toBe(true);
});

test('in browsers the same, small, and with nothing of Node', async () => {
  const name = 'virtual:page';
  const code =
    "import { GatewayError, Streamgate } from 'streamgate'; globalThis.all = [GatewayError, Streamgate];";
  const built = await build({
    configFile: false,
    root: resolve('.'),
    logLevel: 'silent',
    plugins: [
      {
        name,
        resolveId: (id) => (id === name ? resolve('page.js') : undefined),
        load: (id) => (id === resolve('page.js') ? code : undefined),
      },
    ],
    build: { write: false, rolldownOptions: { input: name } },
  });
  const { output } = (Array.isArray(built) ? built[0]! : built) as { output: { code?: string }[] };
  const script = output.map((chunk) => chunk.code ?? '').join('');
  expect(script).toContain('unknown_outcome');
  // Of ws, and of what Vite puts in the place of Node's modules.
  expect(script).not.toMatch(/perMessageDeflate|__vite-browser-external|node:/);
  expect(gzipSync(script).length).toBeLessThan(MOST_GZIPPED_BYTES);
});
