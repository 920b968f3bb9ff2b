/** Every link of the documents leads to a file, and to a heading in it. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { slug } from '../src/web/docs/slug.js';

const DOCUMENTS = [
  ...readdirSync('.').filter((name) => name.endsWith('.md')),
  'bench/README.md',
  'examples/cluster/README.md',
  'examples/kubernetes/README.md',
  ...readdirSync('docs', { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => join('docs', name)),
];
const CODE = /^ *```[\s\S]*?^ *```|`[^`\n]*`/gm;
const LINK = /\]\(([^)\s]+)\)/g;
const ELSEWHERE = /^[a-z]+:/;

/** Of headings that are called the same, later ones are numbered. */
function anchorsOf(path: string): Set<string> {
  const text = readFileSync(path, 'utf8').replaceAll(/^ *```[\s\S]*?^ *```/gm, '');
  const anchors = new Set<string>();
  for (const [, heading] of text.matchAll(/^#{1,6} +(.+)$/gm)) {
    const name = slug(heading!.trim());
    let anchor = name;
    for (let count = 1; anchors.has(anchor); count++) anchor = `${name}-${count}`;
    anchors.add(anchor);
  }
  return anchors;
}

function linksOf(path: string): string[] {
  // Links stay that have code for their text.
  const text = readFileSync(path, 'utf8').replaceAll(CODE, 'code');
  return [...text.matchAll(LINK)].map(([, link]) => link!).filter((link) => !ELSEWHERE.test(link));
}

/** @returns what is wrong with a link, or undefined */
function faultOf(link: string, from: string): string | undefined {
  const [file, anchor] = link.split('#') as [string, string | undefined];
  const path = file === '' ? from : join(dirname(from), file);
  if (!existsSync(path)) return `${link}: there is no ${path}`;
  if (anchor !== undefined && !anchorsOf(path).has(anchor))
    return `${link}: no heading of ${path} is called so`;
  return undefined;
}

test('the documents are found, and have links', () => {
  expect(DOCUMENTS.length).toBeGreaterThan(20);
  expect(DOCUMENTS.flatMap(linksOf).length).toBeGreaterThan(100);
});

describe.each(DOCUMENTS)('%s', (path) => {
  test('has links that lead somewhere', () => {
    expect(linksOf(path).flatMap((link) => faultOf(link, path) ?? [])).toEqual([]);
  });
});

test('docs/README.md names every page', () => {
  const named = linksOf('docs/README.md').map((link) => join('docs', link.split('#')[0]!));
  const pages = DOCUMENTS.filter((path) => path.startsWith('docs/') && path !== 'docs/README.md');
  // Decisions have a list of their own.
  const others = pages.filter((path) => !named.includes(path) && !/adr\/\d/.test(path));
  expect(others).toEqual([]);
});

test('a link to nothing, or to no heading, is found', () => {
  expect(faultOf('nowhere.md', 'README.md')).toContain('there is no nowhere.md');
  expect(faultOf('docs/protocol.md#nothing', 'README.md')).toContain('no heading');
  expect(faultOf('docs/protocol.md#get-datasidlatest', 'README.md')).toBeUndefined();
});
