/** The description as a document: valid, whole, and of one mind with the parser and the list of failures. */
import { readFileSync } from 'node:fs';
import { Validator } from '@seriousme/openapi-schema-validator';
import { describe, expect, test } from 'vitest';
import type { Operation, Parameter } from '../../src/openapi/model.js';
import { FAILURES, type FailureCode } from '../../src/protocol/errors.js';
import {
  parseMaxFps,
  parseMinReplicas,
  parsePullParameters,
  parsePushParameters,
  parseSelection,
  Query,
} from '../../src/protocol/parameters.js';
import { VERSION } from '../../src/system/version.js';
import { DESCRIPTION, OPERATIONS, operationOf } from './described.js';

/** Every value of a document, with those within it. */
function* valuesOf(value: unknown): Generator<unknown> {
  yield value;
  if (typeof value !== 'object' || value === null) return;
  for (const inner of Object.values(value)) yield* valuesOf(inner);
}

test('it is valid OpenAPI 3.1, of this version', async () => {
  const validator = new Validator();
  const result = await validator.validate(structuredClone(DESCRIPTION) as never);
  expect([result.valid, result.errors]).toEqual([true, undefined]);
  expect(validator.version).toBe('3.1');
  expect(DESCRIPTION.info.version).toBe(VERSION);
  expect(JSON.parse(JSON.stringify(DESCRIPTION))).toEqual(DESCRIPTION);
});

test('every reference leads somewhere, every operation is told apart and has its place', () => {
  const references = [...valuesOf(DESCRIPTION)].flatMap((value) =>
    typeof value === 'object' && value !== null && '$ref' in value ? [String(value.$ref)] : [],
  );
  expect(references.length).toBeGreaterThan(5);
  for (const reference of references) {
    const found = reference
      .replace(/^#\//, '')
      .split('/')
      .reduce<unknown>((value, key) => (value as Record<string, unknown>)?.[key], DESCRIPTION);
    expect(found, reference).toBeDefined();
  }
  expect(new Set(OPERATIONS.map(({ id }) => id)).size).toBe(OPERATIONS.length);
  const tags = DESCRIPTION.tags.map(({ name }) => name);
  for (const { operation } of OPERATIONS) {
    const { tags: own, parameters = [] } = operation;
    expect(tags).toContain(own[0]);
    expect(new Set(parameters.map(({ name }) => name)).size).toBe(parameters.length);
  }
});

describe('failures', () => {
  test('are all there', () => expect(DESCRIPTION['x-failures']).toEqual(FAILURES));

  test.each(OPERATIONS)('of $id stand under their status and their close code', ({ operation }) => {
    const told = Object.entries(operation.responses).flatMap(([status, { content }]) => {
      const schema = content?.['application/json']?.schema as { properties?: { code?: { enum: string[] } } };
      return (schema?.properties?.code?.enum ?? []).map((code) => [code, Number(status)] as const);
    });
    expect(told.length).toBeGreaterThan(3);
    for (const [code, status] of told)
      expect([code, status]).toEqual([code, FAILURES[code as FailureCode].status]);
    for (const [close, codes] of Object.entries(operation['x-websocket']?.closeCodes ?? {})) {
      for (const code of codes) expect([code, Number(close)]).toEqual([code, FAILURES[code].close]);
    }
  });
});

/** A query that notes what it is asked for, and by which rules. */
class NotedQuery extends Query {
  readonly asked = new Map<string, Record<string, unknown>>();

  override text(name: string) {
    this.asked.set(name, { type: 'string' });
    return super.text(name);
  }

  override boolean(name: string, fallback: boolean) {
    this.asked.set(name, { type: 'boolean', default: fallback });
    return super.boolean(name, fallback);
  }

  override wholeNumber(name: string, minimum: number, maximum: number, fallback: number) {
    this.asked.set(name, { type: 'integer', minimum, maximum, default: fallback });
    return super.wholeNumber(name, minimum, maximum, fallback);
  }

  override number(name: string, maximum: number, fallback: number) {
    this.asked.set(name, { type: 'number', minimum: 0, maximum, default: fallback });
    return super.number(name, maximum, fallback);
  }
}

const selected = (query: Query) => parseSelection('cam', query);

/** How each operation that has parameters reads them, and which it checks without a use for them. */
const PARSERS: Record<string, { parse: (query: Query) => unknown; unused?: readonly string[] }> = {
  readEntries: {
    parse: (query) => [selected(query), parsePullParameters(query, selected(query), 'rest')],
    unused: ['header', 'ack', 'max_fps', 'speed'],
  },
  latestEntry: {
    parse: (query) => [
      selected(query),
      query.text('at'),
      query.text('after'),
      parsePullParameters(query, selected(query), 'rest'),
    ],
    unused: [
      ...['last_entry_id', 'from', 'until', 'speed', 'gaps', 'latest', 'count', 'header', 'offsets', 'ack'],
      ...['max_fps', 'keep_device_id_in_stream_id'],
    ],
  },
  playPictures: { parse: (query) => [selected(query), parseMaxFps(query)] },
  followEvents: {
    parse: (query) => [selected(query), parsePullParameters(query, selected(query), 'rest')],
    unused: ['count', 'block', 'header', 'offsets', 'ack'],
  },
  overview: { parse: (query) => query.text('filter') ?? '' },
  appendEntries: { parse: (query) => [selected(query), parseMinReplicas(query)] },
  pushEntries: { parse: (query) => [selected(query), parsePushParameters(query, selected(query))] },
  followStreams: {
    parse: (query) => [selected(query), parsePullParameters(query, selected(query), 'websocket')],
  },
};
/** By GraphQL's own rules, from the libraries that know them. */
const OTHERS = ['graphqlQuery'];

const ofQuery = (operation: Operation): Parameter[] =>
  (operation.parameters ?? []).filter((parameter) => parameter.in === 'query');

test('it is known how every operation reads its parameters', () => {
  const having = OPERATIONS.filter(({ operation }) => ofQuery(operation).length > 0);
  expect(having.map(({ id }) => id).sort()).toEqual([...Object.keys(PARSERS), ...OTHERS].sort());
});

test('docs/protocol.md lists every parameter with its default, and no other', () => {
  const page = readFileSync('docs/protocol.md', 'utf8');
  const [, section] = /\n## Parameters\n([\s\S]*?)\n## /.exec(page)!;
  const rows = new Map(
    [...section!.matchAll(/^\| `(\w+)` \| ([^|]*)\|/gm)].map(([, name, told]) => [name!, told!]),
  );
  const parameters = Object.keys(PARSERS).flatMap((id) => ofQuery(operationOf(id).operation));
  expect([...rows.keys()].sort()).toEqual([...new Set(parameters.map(({ name }) => name))].sort());
  for (const { name, schema } of parameters) {
    const told = rows.get(name)!.replaceAll('`', '').trim();
    if (schema.default === undefined) expect([name, told]).toEqual([name, '']);
    // One that differs from operation to operation is told with each.
    else
      expect([name, told.split(/[ ,]+/)]).toEqual([
        name,
        expect.arrayContaining([schema.default === '' ? 'empty' : String(schema.default)]),
      ]);
  }
});

describe.each(Object.entries(PARSERS))('the parameters of %s', (id, { parse, unused = [] }) => {
  const parameters = ofQuery(operationOf(id).operation);

  test('are those that the parser asks for, with its types, ranges and defaults', () => {
    const query = new NotedQuery('');
    parse(query);
    expect(parameters.map(({ name }) => name).sort()).toEqual(
      [...query.asked.keys()].filter((name) => !unused.includes(name)).sort(),
    );
    for (const { name, schema } of parameters) expect(schema, name).toMatchObject(query.asked.get(name)!);
  });

  test.each(parameters.filter(({ schema }) => schema.default !== undefined))(
    '$name is $schema.default where it is not given',
    ({ name, schema }) => {
      const given = new Query(`${name}=${encodeURIComponent(String(schema.default))}`);
      expect(parse(given)).toEqual(parse(new Query('')));
    },
  );
});
