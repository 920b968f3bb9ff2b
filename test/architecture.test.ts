/** Keeps the rules of the architecture by reading the source. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { describe, expect, test } from 'vitest';

const ROOT = join(import.meta.dirname, '..');

/** Each room may import those before it, and none after it or on its own line. */
const LAYERS = [
  ['protocol'],
  ['config'],
  ['redis'],
  ['access', 'embedded'],
  ['append', 'doctor', 'supervisor'],
  ['threads'],
  ['follow'],
  ['reads'],
  ['catalog'],
  ['graphql'],
  ['openapi'],
  ['server'],
  ['gateway'],
  ['cli'],
  ['main'],
  ['build'],
];
/** Anyone may import what is about the machine, and it imports nothing else. */
const LEAVES = ['system'];
/** What the client library and the threads are made of, besides themselves. */
const CLIENT_IMPORTS = ['protocol'];
const WORKER_IMPORTS = ['protocol', 'redis'];
/** On main, these know what the threads are told and what they tell. */
const WORKER_USERS = ['threads', 'follow', 'graphql'];
/** What the package offers to others, who cannot see the files behind it. */
const PACKAGE_FACES = ['src/client/api.ts', 'src/client/browser.ts', 'src/client/node.ts'];
/** The pages' own code, which runs in browsers and is bundled apart. */
const WEB = 'web';
/** What may run in browsers, too. */
const WEB_IMPORTS = ['client', 'protocol', 'openapi'];

interface Source {
  /** From the project's folder, such as `src/protocol/names.ts`. */
  readonly path: string;
  /** Without comments. */
  readonly code: string;
  /** The files of the project that it imports, types too, in the same form. */
  readonly imports: readonly string[];
  readonly packages: readonly string[];
}

const IMPORT = /(?:\bfrom\s*|\bimport\s*\(?\s*)'([^'\s]+)'/g;
const COMMENT = /\/\*[\s\S]*?\*\/|(?<=^|\s)\/\/.*$/gm;

function readSource(path: string): Source {
  return sourceOf(path, readFileSync(join(ROOT, path), 'utf8').replace(COMMENT, ''));
}

function sourceOf(path: string, code: string): Source {
  const specifiers = [...code.matchAll(IMPORT)].map(([, specifier]) => specifier!);
  const isLocal = (specifier: string) => specifier.startsWith('.');
  const isModule = (specifier: string) => specifier.endsWith('.js');
  return {
    path,
    code,
    imports: specifiers
      .filter((specifier) => isLocal(specifier) && isModule(specifier))
      .map((specifier) => join(dirname(path), specifier).replace(/\.js$/, '.ts')),
    packages: specifiers.filter((specifier) => !isLocal(specifier)),
  };
}

function sourcesIn(...folders: string[]): Source[] {
  return folders
    .flatMap((folder) => readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile() && /\.tsx?$/.test(entry.name))
    .map((entry) => readSource(relative(ROOT, join(entry.parentPath, entry.name))));
}

const SOURCES = sourcesIn('src', 'workers');
const PATHS = new Set(SOURCES.map(({ path }) => path));

/** The part of the system that a file belongs to: `src/protocol/names.ts` to `wire`, `src/main.ts` to `main`. */
function partOf(path: string): string {
  const [folder, name] = path.split('/');
  return folder === 'src' ? name!.replace(/\.ts$/, '') : folder!;
}

const rankOf = (part: string) => LAYERS.findIndex((layer) => layer.includes(part));

function mayImport(from: string, to: string): boolean {
  if (from === to) return true;
  if (LEAVES.includes(from)) return LEAVES.includes(to);
  if (to === WEB) return false;
  if (from === WEB) return WEB_IMPORTS.includes(to);
  if (LEAVES.includes(to)) return true;
  if (from === 'client') return CLIENT_IMPORTS.includes(to);
  if (from === 'workers') return WORKER_IMPORTS.includes(to);
  if (to === 'client') return from === 'cli';
  if (to === 'workers') return WORKER_USERS.includes(from);
  return rankOf(to) >= 0 && rankOf(to) < rankOf(from);
}

/** The files themselves and all that they import, directly or not. */
function reachedFrom(paths: readonly string[], sources = SOURCES): Source[] {
  const byPath = new Map(sources.map((source) => [source.path, source]));
  const reached = new Set(paths);
  for (const path of reached) for (const next of byPath.get(path)!.imports) reached.add(next);
  return [...reached].map((path) => byPath.get(path)!);
}

/** Of types nothing is loaded. */
const withoutTypes = ({ path, code }: Source) => sourceOf(path, code.replace(/\bimport type [^;]*;/g, ''));

const filesWith = (pattern: RegExp) =>
  SOURCES.filter(({ code }) => pattern.test(code)).map(({ path }) => path);

/** Code as text, for readers. */
const SAMPLES = 'src/openapi/code-samples.ts';

const isForNode = (path: string) => partOf(path) !== WEB && path !== SAMPLES;

test('the source is found', () => {
  expect(PATHS.size).toBeGreaterThan(50);
  expect(PATHS).toContain('src/main.ts');
  expect(PATHS).toContain('workers/reader.ts');
  const imports = SOURCES.flatMap((source) => source.imports);
  expect(imports.length).toBeGreaterThan(100);
  expect(imports.filter((path) => !PATHS.has(path))).toEqual([]);
});

describe('imports', () => {
  test('every part has its place', () => {
    const known = [...LAYERS.flat(), ...LEAVES, 'client', 'workers', WEB];
    expect(
      [...new Set(SOURCES.map(({ path }) => partOf(path)))].filter((part) => !known.includes(part)),
    ).toEqual([]);
  });

  test('go one way', () => {
    const wrong = SOURCES.flatMap(({ path, imports }) =>
      imports.filter((to) => !mayImport(partOf(path), partOf(to))).map((to) => `${path} imports ${to}`),
    );
    expect(wrong).toEqual([]);
  });

  test('have no cycles, not even of types', () => {
    const importsOf = new Map(SOURCES.map(({ path, imports }) => [path, imports]));
    const done = new Set<string>();
    const cycles: string[] = [];
    const visit = (path: string, trail: readonly string[]) => {
      if (trail.includes(path)) cycles.push([...trail.slice(trail.indexOf(path)), path].join(' → '));
      if (done.has(path) || trail.includes(path)) return;
      for (const next of importsOf.get(path) ?? []) visit(next, [...trail, path]);
      done.add(path);
    };
    for (const path of PATHS) visit(path, []);
    expect(cycles).toEqual([]);
  });

  test('name what they import: no file stands for others', () => {
    expect(SOURCES.filter(({ path }) => /\/index\.ts$/.test(path)).map(({ path }) => path)).toEqual([]);
    const faces = filesWith(/\bexport\s+(?:type\s+)?(?:\*|\{[^}]*\}\s*from\b)/);
    expect(faces.sort()).toEqual(PACKAGE_FACES);
    const users = SOURCES.filter(({ path }) => !PACKAGE_FACES.includes(path)).flatMap(
      ({ imports }) => imports,
    );
    // The commands take the class that stands in node.ts.
    expect(users.filter((path) => PACKAGE_FACES.slice(0, 2).includes(path))).toEqual([]);
  });

  test('of protocol do no input or output', () => {
    const packages = SOURCES.filter(({ path }) => partOf(path) === 'protocol').flatMap(
      (source) => source.packages,
    );
    expect([...new Set(packages)].filter((name) => name !== 'node:buffer')).toEqual([]);
  });

  test('of the client lead to nothing that browsers lack', () => {
    const sources = reachedFrom(['src/client/browser.ts']);
    expect(sources.length).toBeGreaterThan(10);
    expect([...new Set(sources.flatMap(({ packages }) => packages))]).toEqual(['@msgpack/msgpack']);
    const forNode = sources.filter(({ code }) => /\b(?:Buffer\.|process\.|NodeJS\.|require\()/.test(code));
    expect(forNode.map(({ path }) => path)).toEqual([]);
  });

  test('of a thread load only what it needs', () => {
    const sources = reachedFrom(['workers/reader.ts', 'workers/pool.ts'], SOURCES.map(withoutTypes));
    expect(sources.length).toBeGreaterThan(20);
    const packages = new Set(sources.flatMap(({ packages }) => packages));
    expect([...packages].filter((name) => !name.startsWith('node:'))).toEqual(['piscina']);
  });

  test('of the socket library are the business of the server', () => {
    const users = SOURCES.filter(({ packages }) => packages.includes('uWebSockets.js'));
    const others = users.map(({ path }) => path).filter((path) => partOf(path) !== 'server');
    // This one only tries to load it.
    expect(others).toEqual(['src/system/socket-library.ts']);
  });
});

/** Folders that the trees of a document name: indented by two spaces for each level. */
function foldersIn(document: string): string[] {
  const above: string[] = [];
  const lines = [...document.matchAll(/^```text\n([\s\S]*?)^```$/gm)].flatMap(([, tree]) =>
    tree!.split('\n'),
  );
  return lines.flatMap((line) => {
    const [, indent, name] = /^( *)([\w-]+)\//.exec(line) ?? [];
    if (name === undefined) return [];
    above.splice(indent!.length / 2, above.length, name);
    return above.join('/');
  });
}

test('docs/architecture.md names every folder, and no other', () => {
  const named = foldersIn(readFileSync(join(ROOT, 'docs/architecture.md'), 'utf8'));
  const files = readdirSync(join(ROOT, 'src'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.parentPath.includes('__pycache__'))
    .map((entry) => relative(ROOT, entry.parentPath));
  const folders = new Set(
    files.flatMap((path) => path.split('/').map((_, at, all) => all.slice(0, at + 1).join('/'))),
  );
  expect([...new Set(named)].filter((path) => path.startsWith('src')).sort()).toEqual([...folders].sort());
  for (const path of named) expect(readdirSync(join(ROOT, path)).length, path).toBeGreaterThan(0);
});

test('only threads.ts starts threads', () => {
  const threads = 'src/threads/threads.ts';
  expect(filesWith(/\bnew Worker\b/)).toEqual([threads]);
  expect(filesWith(/\bnew Piscina\b/)).toEqual([threads]);
  // Nor is their code run on another thread.
  const entries = ['workers/reader.ts', 'workers/pool.ts'];
  expect(SOURCES.flatMap(({ imports }) => imports).filter((path) => entries.includes(path))).toEqual([]);
});

test('nothing is a helper', () => {
  const all = [...PATHS, ...sourcesIn('test', 'bench').map(({ path }) => path)];
  expect(all.filter((path) => /(?:^|[/-])(?:utils?|helpers?|misc|common)(?:[/.-]|$)/.test(path))).toEqual([]);
});

/** Newer than Node 20.19, with a look at whether this Node has it. */
const TOO_NEW: readonly (readonly [pattern: RegExp, isHere: () => boolean])[] = [
  [/\bPromise\.withResolvers\b/, () => 'withResolvers' in Promise],
  [/\bPromise\.try\b/, () => 'try' in Promise],
  [/\bArray\.fromAsync\b/, () => 'fromAsync' in Array],
  [/\b(?:Object|Map)\.groupBy\b/, () => 'groupBy' in Object || 'groupBy' in Map],
  [
    /(?<!\bz)\.(?:union|intersection|symmetricDifference|isSubsetOf|isSupersetOf|isDisjointFrom)\(/,
    () => 'union' in new Set(),
  ],
  [/\bIterator\.(?:from|concat)\b/, () => 'Iterator' in globalThis],
  [
    /\.(?:values|keys|entries)\(\)\s*\.(?:map|filter|take|drop|flatMap|reduce|toArray|forEach|some|every|find)\(/,
    () => 'map' in [].values(),
  ],
  [/\.(?:transfer|transferToFixedLength)\(/, () => 'transfer' in new ArrayBuffer(0)],
  [/\bRegExp\.escape\b/, () => 'escape' in RegExp],
  [/\bError\.isError\b/, () => 'isError' in Error],
  [/\bMath\.(?:sumPrecise|f16round)\b/, () => 'f16round' in Math],
  [/\b(?:fromBase64|toBase64|fromHex|toHex)\(/, () => 'fromBase64' in Uint8Array],
  [/\bFloat16Array\b/, () => 'Float16Array' in globalThis],
  [/\bTemporal\./, () => 'Temporal' in globalThis],
  [/\bnew URLPattern\b/, () => 'URLPattern' in globalThis],
  [/\bnew (?:CloseEvent|EventSource)\b/, () => 'CloseEvent' in globalThis],
  [/\bnavigator\./, () => 'navigator' in globalThis],
  [/\bnode:sqlite\b/, () => process.getBuiltinModule('node:sqlite') !== undefined],
];

describe('nothing is newer than Node 20.19', () => {
  test.each(TOO_NEW)('%s', (pattern, isHere) => {
    expect(filesWith(pattern).filter(isForNode)).toEqual([]);
    // The table itself holds: on Node 20 none of these is there.
    if (process.versions.node.startsWith('20.')) expect(isHere()).toBe(false);
  });

  test('a WebSocket is that of ws, since Node 20 has none', () => {
    const users = SOURCES.filter(({ path, code }) => isForNode(path) && /\bnew WebSocket\(/.test(code));
    expect(users.filter(({ packages }) => !packages.includes('ws')).map(({ path }) => path)).toEqual([]);
  });

  test('which is the oldest release that the package allows', () => {
    const { engines } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
    expect(engines.node).toMatch(/^\^20\.19\.0 /);
  });
});
