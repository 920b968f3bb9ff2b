/**
 * Which test files start no process or thread, and so need no build: `npm run test:unit` runs them alone. They are
 * found by what they import; what starts a process all the same fails there (test/support/no-processes.ts).
 */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** What imports these starts servers, browsers, commands, bundlers or threads. */
const STARTING =
  /^(?:node:(?:child_process|worker_threads)|playwright-core|vite)$|\/embedded\/choose-server\.js$/;
/** Types are gone when the code runs. */
const TYPES = /\bimport type [^;]*;/g;
const IMPORT = /(?:\bfrom\s*|\bimport\s*\(?\s*)'([^'\s]+)'/g;
/** The tests' own code. What the source imports says nothing: it can start a server, and mostly is not asked to. */
const OWN = /^(?:test|bench)\//;

/** The files that a file imports, directly, of the tests' own code; undefined where it imports what starts a process. */
function importsOf(path: string): string[] | undefined {
  const specifiers = [...readFileSync(path, 'utf8').replaceAll(TYPES, '').matchAll(IMPORT)].map(
    ([, specifier]) => specifier!,
  );
  if (specifiers.some((specifier) => STARTING.test(specifier))) return undefined;
  return specifiers
    .filter((specifier) => specifier.startsWith('.') && specifier.endsWith('.js'))
    .map((specifier) => join(dirname(path), specifier).replace(/\.js$/, '.ts'))
    .filter((imported) => OWN.test(imported));
}

/** Whether a file of the tests starts a process, itself or by what it imports. */
export function startsProcess(path: string): boolean {
  const reached = new Set([path]);
  for (const file of reached) {
    const imports = importsOf(file);
    if (imports === undefined) return true;
    for (const next of imports) reached.add(next);
  }
  return false;
}

export function findUnitFiles(): string[] {
  return readdirSync('test', { recursive: true, encoding: 'utf8' })
    .map((name) => join('test', name))
    .filter((path) => path.endsWith('.test.ts') && !startsProcess(path))
    .sort();
}
