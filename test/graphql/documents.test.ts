import { GraphQLError } from 'graphql';
import { describe, expect, test } from 'vitest';
import { Documents } from '../../src/graphql/documents.js';
import { createSchema } from '../../src/graphql/executable.js';

const schema = createSchema();
const VALID = '{ streams { id } }';

/** Whether a text is known by now: then it is not parsed anew. */
function knows(documents: Documents, text: string): boolean {
  const [one, other] = [1, 2].map(() => documents.parse(text));
  return one === other;
}

function check(documents: Documents, text: string): readonly GraphQLError[] {
  return documents.validate(documents.parse(text));
}

describe('a document', () => {
  test('is remembered once it was found valid', () => {
    const documents = new Documents(schema);
    expect(knows(documents, VALID)).toBe(false);
    expect(check(documents, VALID)).toEqual([]);
    expect(knows(documents, VALID)).toBe(true);
    expect(check(documents, VALID)).toEqual([]);
  });

  test.each([
    ['a field that there is not', '{ streams { secret } }', /Cannot query field/],
    [
      'too many aliases',
      `{ ${Array.from({ length: 101 }, (_, i) => `a${i}: __typename`).join(' ')} }`,
      /aliases/,
    ],
  ])('with %s is refused each time', (_name, text, message) => {
    const documents = new Documents(schema);
    for (let time = 0; time < 3; time++) {
      expect(check(documents, text).map(({ message }) => message)).toEqual([expect.stringMatching(message)]);
      expect(knows(documents, text)).toBe(false);
    }
  });

  test('that was parsed twice before it was validated is judged both times', () => {
    const documents = new Documents(schema);
    const [one, other] = [documents.parse(VALID), documents.parse(VALID)];
    expect(documents.validate(one)).toEqual([]);
    expect(documents.validate(other)).toEqual([]);
  });

  test('that does not parse throws each time', () => {
    const documents = new Documents(schema);
    for (let time = 0; time < 2; time++) expect(() => documents.parse('{')).toThrow(GraphQLError);
  });
});

describe('what is remembered', () => {
  const LENGTH = 1024;
  const longText = (index: number) => `${VALID} #${index}`.padEnd(LENGTH, '-');

  test('is bounded, and what is in use stays', () => {
    const documents = new Documents(schema);
    check(documents, VALID);
    for (let index = 0; index < 200; index++) {
      check(documents, longText(index));
      expect(check(documents, VALID)).toEqual([]);
    }
    const known = Array.from({ length: 200 }, (_, index) => knows(documents, longText(index)));
    // 64 KiB of texts, of which the one in use takes a little.
    expect(known.indexOf(true)).toBe(200 - 63);
    expect(known.lastIndexOf(false)).toBe(200 - 64);
    expect(knows(documents, VALID)).toBe(true);
  });

  test('is no text that would take all the room', () => {
    const documents = new Documents(schema);
    check(documents, VALID);
    const huge = `${VALID} #${'-'.repeat(64 * 1024)}`;
    expect(check(documents, huge)).toEqual([]);
    expect(knows(documents, huge)).toBe(false);
    expect(knows(documents, VALID)).toBe(true);
  });
});
