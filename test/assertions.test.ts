/** Every test checks something: its body reaches an `expect`, directly or through a function of the tests. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parseSync } from 'vite';
import { expect, test } from 'vitest';
import { childrenOf, type SyntaxNode as Node } from './support/syntax.js';

interface TestFile {
  readonly tests: readonly { readonly line: number; readonly body: Node }[];
  /** Functions and methods by their names. Without types, methods of the same name count as one. */
  readonly functions: ReadonlyMap<string, readonly Node[]>;
  /** The files of the tests that it imports. */
  readonly imports: readonly string[];
}

function visit(node: Node, see: (node: Node) => void): void {
  see(node);
  for (const child of childrenOf(node)) visit(child, see);
}

const isFunction = ({ type }: Node) => type === 'ArrowFunctionExpression' || type === 'FunctionExpression';
const nameOf = (node: Node) => (node.type === 'Identifier' ? node.name : undefined);

/** The names that lead to a call, first to last: `test`, `each` of `test.each(rows)(…)`; `vi`, `fn` of `vi.fn()`. */
function pathOf(callee: Node): string[] {
  if (callee.type === 'CallExpression') return pathOf(callee.callee);
  if (callee.type === 'TaggedTemplateExpression') return pathOf(callee.tag);
  if (callee.type === 'MemberExpression') return [...pathOf(callee.object), nameOf(callee.property) ?? ''];
  return [nameOf(callee) ?? ''];
}

/** The body of a test that a call declares: a function, or the name of one. */
function bodyOf(node: Node): Node | undefined {
  if (node.type !== 'CallExpression' || !/^(?:test|it)$/.test(pathOf(node.callee)[0]!)) return undefined;
  return node.arguments.slice(1).find((argument) => isFunction(argument) || nameOf(argument) !== undefined);
}

function parseTestFile(path: string, text: string): TestFile {
  const tests: { line: number; body: Node }[] = [];
  const functions = new Map<string, Node[]>();
  const imports: string[] = [];
  const add = (name: Node | null, body: Node) => {
    if (name?.type !== 'Identifier' && name?.type !== 'PrivateIdentifier') return;
    functions.set(name.name, [...(functions.get(name.name) ?? []), body]);
  };
  visit(parseSync(path, text).program, (node) => {
    const body = bodyOf(node);
    if (body !== undefined) tests.push({ line: text.slice(0, node.start).split('\n').length, body });
    if (node.type === 'FunctionDeclaration') add(node.id, node);
    if (node.type === 'VariableDeclarator' && node.init && isFunction(node.init)) add(node.id, node.init);
    if (node.type === 'MethodDefinition' || node.type === 'Property') add(node.key, node.value);
    if (node.type === 'ImportDeclaration' && node.source.value.startsWith('.')) {
      imports.push(join(dirname(path), node.source.value).replace(/\.js$/, '.ts'));
    }
  });
  return { tests, functions, imports: imports.filter((file) => /^test\/.*\.ts$/.test(file)) };
}

const files = new Map<string, TestFile>();
function fileAt(path: string): TestFile {
  const file = files.get(path) ?? parseTestFile(path, readFileSync(path, 'utf8'));
  files.set(path, file);
  return file;
}

/** The functions that a file has or can reach by its imports. */
function functionsFor(path: string): Map<string, Node[]> {
  const reached = new Set([path]);
  for (const file of reached) for (const next of fileAt(file).imports) reached.add(next);
  const all = new Map<string, Node[]>();
  for (const file of reached) {
    for (const [name, bodies] of fileAt(file).functions) all.set(name, [...(all.get(name) ?? []), ...bodies]);
  }
  return all;
}

/** What fails a test by itself: `expect(…)`, `expect.soft(…)` and such, and properties of fast-check. */
const CHECK = /^(?:expect(?:\.(?:soft|poll|fail|unreachable))?|fc\.assert)$/;

const callsIn = new Map<Node, readonly string[]>();
/** What a function calls or passes on, as `expect.soft`. */
function calledBy(body: Node): readonly string[] {
  const known = callsIn.get(body);
  if (known !== undefined) return known;
  const called = body.type === 'Identifier' ? [body.name] : [];
  visit(body, (node) => {
    if (node.type !== 'CallExpression') return;
    called.push(pathOf(node.callee).join('.'));
    called.push(...node.arguments.map((argument) => nameOf(argument) ?? ''));
  });
  callsIn.set(body, called);
  return called;
}

/** Whether a function checks something. @param seen functions already looked into */
function checks(
  body: Node,
  functions: ReadonlyMap<string, readonly Node[]>,
  seen = new Set<Node>(),
): boolean {
  if (seen.has(body)) return false;
  seen.add(body);
  const called = calledBy(body);
  if (called.some((name) => CHECK.test(name))) return true;
  const callees = called.flatMap((name) => functions.get(name.slice(name.lastIndexOf('.') + 1)) ?? []);
  return callees.some((callee) => checks(callee, functions, seen));
}

test.each([
  ['an expect', 'expect(1).toBe(1)', true],
  ['one in a function within', 'await vi.waitFor(() => expect(1).toBe(1))', true],
  ['one in a function that is called', 'await look()', true],
  ['one in a function that is passed on', 'await vi.waitFor(look)', true],
  ['one in a method', 'await looker.look()', true],
  ['a property', 'fc.assert(fc.property(fc.nat(), (n) => n >= 0))', true],
  ['waiting', "await once(socket, 'close')", false],
  ['a pattern for what is expected, and no expect', 'wait(expect.any(String))', false],
])('finds %s', (_what, body, is) => {
  const { tests, functions } = parseTestFile(
    'test/some.test.ts',
    `const look = () => expect(1).toBe(1); test.each(rows)('name', async () => { ${body} });`,
  );
  expect(tests.map((test) => checks(test.body, functions))).toEqual([is]);
});

test('every test checks something', () => {
  const all = readdirSync('test', { recursive: true, encoding: 'utf8' })
    .map((name) => join('test', name))
    .filter((path) => path.endsWith('.test.ts'))
    .sort()
    .map((path) => ({ path, tests: fileAt(path).tests, functions: functionsFor(path) }));
  expect(all.flatMap(({ tests }) => tests).length).toBeGreaterThan(1000);
  const without = all.flatMap(({ path, tests, functions }) =>
    tests.filter(({ body }) => !checks(body, functions)).map(({ line }) => `${path}:${line}`),
  );
  expect(without).toEqual([]);
});
