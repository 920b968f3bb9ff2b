/**
 * No regular expression of the gateway may take longer than in proportion to its text: what clients, Redis and
 * environments send is matched by them. They are found in the built files, so that none can be forgotten.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { type CallExpression, type Identifier, type Literal, type Node, parse } from 'acorn';
import { full } from 'acorn-walk';
import { expect, test } from 'vitest';

// The checker's part in JavaScript: the others start a Java or native process.
Object.assign(process.env, { RECHECK_BACKEND: 'pure', RECHECK_SYNC_BACKEND: 'pure' });
const { checkSync } = await import('recheck');

/** Tests run in the project's folder. */
const BUILT = resolve('dist');
/** What runs at a user's side, and reads what that user or the gateway wrote. */
const NOT_SERVED = ['src/web', 'src/client', 'src/cli', 'src/doctor', 'src/system'];
/** For the checker, which needs less than two seconds for each. */
const MOST_CHECK_MS = 60_000;

interface Found {
  readonly file: string;
  readonly pattern: string;
  readonly flags: string;
}

interface Findings {
  readonly literals: readonly Found[];
  /** Files that make regular expressions of text. */
  readonly dynamic: readonly string[];
}

function findIn(path: string): Findings {
  const file = relative(BUILT, path);
  const literals: Found[] = [];
  const dynamic: string[] = [];
  const program = parse(readFileSync(path, 'utf8'), {
    ecmaVersion: 'latest',
    sourceType: 'module',
    allowHashBang: true,
  });
  full(program, (node: Node) => {
    const { regex } = node as Literal;
    if (node.type === 'Literal' && regex) literals.push({ file, ...regex });
    if (node.type !== 'NewExpression' && node.type !== 'CallExpression') return;
    if (((node as CallExpression).callee as Identifier).name === 'RegExp') dynamic.push(file);
  });
  return { literals, dynamic };
}

const found = ['src', 'workers']
  .flatMap((folder) => readdirSync(join(BUILT, folder), { recursive: true, withFileTypes: true }))
  .map((entry) => join(entry.parentPath, entry.name))
  .filter((path) => path.endsWith('.js'))
  .filter((path) => !NOT_SERVED.some((folder) => relative(BUILT, path).startsWith(`${folder}/`)))
  .map(findIn);

/** What the checker says against a regular expression; undefined where it is linear. */
function problemOf({ file, pattern, flags }: Found): string | undefined {
  const result = checkSync(pattern, flags, { timeout: MOST_CHECK_MS, randomSeed: 1 });
  if (result.status === 'safe') return undefined;
  const what = result.status === 'vulnerable' ? result.complexity.summary : result.status;
  return `${file}: /${pattern}/${flags} is ${what}`;
}

test('the checker knows what is linear', () => {
  const problem = (pattern: string) => problemOf({ file: 'x', pattern, flags: '' });
  expect(problem('^a*b$')).toBeUndefined();
  expect(problem('a*b$')).toBe('x: /a*b$/ is 2nd degree polynomial');
  expect(problem('^(a|a)*$')).toMatch(/exponential/);
});

test('every regular expression is linear', { timeout: 300_000 }, () => {
  const literals = found.flatMap((findings) => findings.literals);
  expect(literals.length).toBeGreaterThan(40);
  // Without a quantifier there is nothing to try twice.
  const repeating = literals.filter(({ pattern }) => /[*+{]/.test(pattern));
  const distinct = new Map(repeating.map((literal) => [`${literal.pattern}/${literal.flags}`, literal]));
  expect([...distinct.values()].flatMap((literal) => problemOf(literal) ?? [])).toEqual([]);
});

test('none is made of text', () => {
  expect(found.flatMap(({ dynamic }) => dynamic)).toEqual([]);
});
