/** What a document may ask for is bounded before validation, whose work grows faster than the document. */
import { getIntrospectionQuery } from 'graphql';
import { describe, expect, test } from 'vitest';
import { Documents } from '../../src/graphql/documents.js';
import { createSchema } from '../../src/graphql/executable.js';

const documents = new Documents(createSchema());

const list = (count: number, part: (index: number) => string) =>
  Array.from({ length: count }, (_, index) => part(index)).join(' ');

function problems(text: string): readonly string[] {
  try {
    return documents.validate(documents.parse(text)).map(({ message }) => message);
  } catch (error) {
    return [(error as Error).message];
  }
}

const STREAM_FIELDS = 'id length lastEntryId lastEntryTime meta groups';

describe('a document that people send passes', () => {
  test.each([
    ['about the schema', getIntrospectionQuery({ inputValueDeprecation: true, specifiedByUrl: true })],
    ['with a hundred aliases', `{ ${list(100, (i) => `a${i}: stream(id: "${i}") { ${STREAM_FIELDS} }`)} }`],
    [
      'with a hundred aliases of one fragment',
      `{ ${list(100, (i) => `a${i}: stream(id: "${i}") { ...F }`)} } fragment F on Stream { ${STREAM_FIELDS} }`,
    ],
    [
      'with fragments within fragments',
      `{ devices { ...D } } fragment D on Device { streams { ...S } stream(streamId: "a") { ...S } } fragment S on Stream { id }`,
    ],
    ['of many operations', list(100, (i) => `query Q${i} { devices { id } }`)],
    ['of four thousand lines', `{${'\n'.repeat(4000)}devices { id } }`],
  ])('%s', (_, text) => {
    expect(problems(text)).toEqual([]);
  });
});

const TOO_OFTEN = 'the document selects the same field, or spreads fragments, too often at one place';
const TOO_MANY = 'a document may select at most 20000 fields, those of its fragments included';

describe('a document is refused', () => {
  test.each([
    ['with the same field again and again', `{ ${list(600, () => '__typename')} }`, TOO_OFTEN],
    [
      'with the same field and its own fields again and again',
      `{ ${list(400, () => 'device { id }')} }`,
      TOO_OFTEN,
    ],
    ['with inline fragments again and again', `{ ${list(400, () => '... { __typename }')} }`, TOO_OFTEN],
    [
      'whose fragments spread the next one twice',
      `{ ...f0 } ${list(150, (i) => `fragment f${i} on Query { ...f${i + 1} ...f${i + 1} }`)} fragment f150 on Query { __typename }`,
      TOO_OFTEN,
    ],
    [
      'whose fields double with each level',
      `{ __type(name: "Query") { ...f0 } } ${list(40, (i) => `fragment f${i} on __Type { a${i}: ofType { ...f${i + 1} } b${i}: ofType { ...f${i + 1} } }`)} fragment f40 on __Type { name }`,
      TOO_MANY,
    ],
    [
      'that multiplies the lists of the schema',
      '{ __schema { types { fields { args { type { fields { args { type { name } } } } } } } } }',
      'a document may ask for at most 250000 fields of the schema',
    ],
    [
      'that nests for ever',
      `{ __type(name: "Query") { ${'ofType { '.repeat(60)}name${' }'.repeat(60)} } }`,
      'fields may nest at most 50 deep',
    ],
    [
      'with a name as long as a book',
      `{ ${'x'.repeat(900_000)} }`,
      'a name in a document may have at most 1000 characters',
    ],
    [
      'of too many lines',
      `${'\n'.repeat(100_000)}{ ${list(300, (i) => `x${i}`)} }`,
      'a document may have at most 5000 lines',
    ],
    [
      'whose fragments form a ring, however they nest',
      '{ ...A } fragment A on Query { device { ...B } } fragment B on Device { ... { ...A } }',
      'Cannot spread fragment "A" within itself via "B".',
    ],
  ])('%s', (_, text, problem) => {
    expect(problems(text)).toEqual([problem]);
  });

  test('with an unknown fragment', () => {
    expect(problems('{ ...A }')).toEqual(['Unknown fragment "A".']);
  });
});
