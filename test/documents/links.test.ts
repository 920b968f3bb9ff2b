/** Links between the documents lead somewhere. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';

const PAGES = [
  ...readdirSync('.').filter((name) => name.endsWith('.md')),
  ...readdirSync('docs', { recursive: true, encoding: 'utf8' }).map((name) => join('docs', name)),
  'bench/README.md',
  'findings/README.md',
].filter((path) => path.endsWith('.md'));

const FENCE = /^ *```[\s\S]*?^ *```/gm;
const LINK = /\[[^\]]*\]\(([^)\s]+)\)/g;

const textOf = (path: string) => readFileSync(path, 'utf8').replace(FENCE, '');

/** The names that hosts of repositories give to headings. */
function anchorsOf(path: string): Set<string> {
  const headings = [...textOf(path).matchAll(/^#+ (.*)$/gm)].map(([, heading]) => heading!);
  return new Set(
    headings.map((heading) =>
      heading
        .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
        .toLowerCase()
        .replace(/[^\p{L}\p{N}\s_-]/gu, '')
        .trim()
        .replace(/\s/g, '-'),
    ),
  );
}

/** What is wrong with a link; undefined: nothing. */
function faultOf(page: string, target: string): string | undefined {
  if (/^[a-z]+:/.test(target)) return undefined;
  const [file, anchor] = target.split('#') as [string, string?];
  const path = file === '' ? page : join(dirname(page), file);
  if (!existsSync(path)) return `${target}: no such file`;
  if (anchor === undefined || !statSync(path).isFile() || !path.endsWith('.md')) return undefined;
  return anchorsOf(path).has(anchor) ? undefined : `${target}: no such heading`;
}

test.each(PAGES)('of %s', (page) => {
  const targets = [...textOf(page).matchAll(LINK)].map(([, target]) => target!);
  expect(targets.map((target) => faultOf(page, target)).filter((fault) => fault !== undefined)).toEqual([]);
});

test('CONTRIBUTING.md names files that are there', () => {
  const named = [...textOf('CONTRIBUTING.md').matchAll(/`((?:src|test|docs|examples|workers)\/[^`\s…]*)`/g)];
  const paths = named.map(([, path]) => path!);
  expect(paths.length).toBeGreaterThan(30);
  expect(paths.filter((path) => !existsSync(path))).toEqual([]);
});

test('are found, and a wrong one is noticed', () => {
  expect(PAGES.length).toBeGreaterThan(20);
  expect(faultOf('README.md', 'docs/nothing.md')).toBe('docs/nothing.md: no such file');
  expect(faultOf('README.md', 'docs/cameras.md#nothing')).toBe('docs/cameras.md#nothing: no such heading');
  expect(faultOf('README.md', 'docs/cameras.md#show-it')).toBeUndefined();
});
