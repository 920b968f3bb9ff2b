import { expect, test } from 'vitest';
import { apply, describeMutant, MutantFinder } from './mutants.js';

/** What the mutants make of a text. */
const mutated = (text: string) => new MutantFinder(text).find().map((mutant) => apply(text, mutant));

test.each([
  ['const a = b < c;', ['const a = true;', 'const a = false;', 'const a = b <= c;', 'const a = b >= c;']],
  ['const a = b === c;', ['const a = true;', 'const a = false;', 'const a = b !== c;']],
  ['const a = b + 1;', ['const a = b - 1;']],
  ['const a = b ?? c;', ['const a = b;', 'const a = c;']],
  ['const a = b && c;', ['const a = b || c;']],
  ['const a = !b;', ['const a = b;']],
  ['const a = (b) => b;', ['const a = (b) => undefined;']],
  ['const a = (b) => !b;', ['const a = (b) => b;']],
  ['f();', [';']],
  ['a += 1;', [';', 'a -= 1;']],
  ['if (a) f();', ['if (true) f();', 'if (false) f();', 'if (a) ;']],
  ['while (a) f();', ['while (false) f();', 'while (a) ;']],
  ['for (;;) break;', ['for (;;) ;']],
  ['for (let i = 9; ; i--) {}', ['for (let i = 9; ; i++) {}']],
  ['function f() { return 1; }', ['function f() { return undefined; }']],
  ['throw new Error();', [';']],
])('%s', (text, expected) => {
  expect(mutated(text).sort()).toEqual([...expected].sort());
});

test('texts that are joined, and types, stay as they are', () => {
  expect(
    mutated("const a = 'b' + c;\ninterface D { e: true }\ntype F = true | G;\nconst h: true = i;"),
  ).toEqual([]);
});

test('a mutant is named by its line, and an operator with what is around it', () => {
  const text = 'const a = 1;\nconst b = c < d;\n';
  expect(new MutantFinder(text).find().map((mutant) => describeMutant(text, mutant))).toEqual([
    '2: c < d → true',
    '2: c < d → false',
    '2: < → <=   in const b = c < d;',
    '2: < → >=   in const b = c < d;',
  ]);
});
