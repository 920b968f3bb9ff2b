/**
 * Makes the package of the client library in `dist/client-package`, once tsc has compiled it there:
 * `npm run build:client`, then `npm publish dist/client-package`.
 *
 * What the gateway's package says too (version, licence, Node versions, repository, versions of dependencies) is
 * taken from there.
 */
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const TEMPLATE = 'src/client/package';
const OUTPUT = 'dist/client-package';
/** What both packages say in the same words. */
const SHARED = ['version', 'license', 'author', 'repository', 'bugs', 'homepage', 'engines'];

/** @param {string} path */
const readJson = (path) => JSON.parse(readFileSync(path, 'utf8'));

const gateway = readJson('package.json');
const template = readJson(join(TEMPLATE, 'package.json'));
const shared = Object.fromEntries(
  SHARED.filter((name) => name in gateway).map((name) => [name, gateway[name]]),
);
const dependencies = Object.fromEntries(
  Object.keys(template.dependencies).map((name) => [name, gateway.dependencies[name]]),
);
const { name, description, ...rest } = template;
const packed = { name, description, ...shared, ...rest, dependencies };
writeFileSync(join(OUTPUT, 'package.json'), `${JSON.stringify(packed, null, 2)}\n`);
copyFileSync(join(TEMPLATE, 'README.md'), join(OUTPUT, 'README.md'));
copyFileSync('LICENSE', join(OUTPUT, 'LICENSE'));
