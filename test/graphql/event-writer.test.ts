/** A compiled subscription writes the very text that graphql-js and JSON.stringify give. */
import fc from 'fast-check';
import {
  execute,
  type GraphQLResolveInfo,
  getOperationAST,
  type OperationDefinitionNode,
  parse,
  validate,
} from 'graphql';
import { describe, expect, test } from 'vitest';
import type { GraphqlContext } from '../../src/graphql/context.js';
import { compileEvents, type EventWriter } from '../../src/graphql/event-writer.js';
import { createSchema } from '../../src/graphql/executable.js';
import { decodeEntry } from '../../workers/stream-description.js';

const schema = createSchema();
const FIELDS = ['streamId', 'time', 'data', 'string', 'json', '__typename'];
const FORMS = ['data', 'string', 'json'] as const;

/** As graphql-js gives it to a resolver; the compiler looks at no more. */
function infoOf(document: string): GraphQLResolveInfo {
  const operation = getOperationAST(parse(document)) as OperationDefinitionNode;
  return {
    operation,
    fieldNodes: operation.selectionSet.selections,
  } as Partial<GraphQLResolveInfo> as GraphQLResolveInfo;
}

const compile = (document: string): EventWriter | undefined => compileEvents(infoOf(document));

/** What a client is sent without the compiler. */
async function executed(document: string, streamId: string, time: string, payload: Uint8Array) {
  const parsed = parse(document);
  expect(validate(schema, parsed)).toEqual([]);
  const contextValue: Partial<GraphqlContext> = { grant: { check: () => {} } };
  const rootValue = { streamId, time, ...decodeEntry(payload, FORMS) };
  return JSON.stringify(await execute({ schema, document: parsed, rootValue, contextValue }));
}

const alias = fc.oneof(
  fc.constantFrom('__proto__', 'constructor', 'toJSON', 'valueOf', '_', 'length', ...FIELDS),
  fc.stringMatching(/^[_A-Za-z][_0-9A-Za-z]{0,8}$/),
);
/** By its name in the answer, so that no two different fields have the same. */
const selection = fc.uniqueArray(fc.tuple(alias, fc.constantFrom(...FIELDS)), {
  selector: ([name]) => name,
  minLength: 1,
  maxLength: 8,
});
const HARD_JSON = [
  '{"__proto__":{"a":1},"a":2}',
  '{"a":1,"a":2,"b":{"b":1,"b":[]}}',
  '{"2":1,"1":2,"a":3}',
  '[9007199254740993,1e400,-0,1.0,1e2,0.1e-7,123456789012345678901234567890]',
  '{"toJSON":1,"constructor":null}',
  '"\\ud800\\u2028\\u0000\\/é😀"',
  ' { "a" : [ 1 , 2 ] }\n',
  '\ufeff{"a":1}',
  'null',
  '{"a":',
  'NaN',
  '01',
  '[1,]',
  '',
];
const payload = fc.oneof(
  fc.constantFrom(...HARD_JSON).map((text) => Buffer.from(text)),
  fc.json().map((text) => Buffer.from(text)),
  fc.string({ unit: 'binary' }).map((text) => Buffer.from(text)),
  fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
  // JSON with bytes that are no text.
  fc.tuple(fc.json(), fc.nat()).map(([text, at]) => {
    const bytes = Buffer.from(text);
    bytes[at % bytes.length] = 0xff;
    return bytes;
  }),
);

test('any selection of any entry', async () => {
  await fc.assert(
    fc.asyncProperty(
      alias,
      selection,
      fc.string({ unit: 'binary' }),
      payload,
      fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
      async (root, fields, streamId, bytes, ms) => {
        const body = fields.map(([name, field]) => `${name}: ${field}`).join(' ');
        const document = `subscription Named($id: String!) { ${root}: data(streamIds: [$id]) { ${body} } }`;
        const time = `${ms}-7`;
        const text = compile(document)!.write(JSON.stringify(streamId), time, decodeEntry(bytes, FORMS));
        // Its variables are for its arguments, which it has had.
        const plain = document.replace('Named($id: String!)', '').replace('$id', '""');
        expect(text).toBe(await executed(plain, streamId, time, bytes));
      },
    ),
  );
});

test.each(HARD_JSON)('the JSON %j', async (json) => {
  const document = 'subscription { data(streamIds: ["s"]) { json a: json string data time streamId } }';
  const text = compile(document)!.write('"s"', '1-0', decodeEntry(Buffer.from(json), FORMS));
  expect(text).toBe(await executed(document, 's', '1-0', Buffer.from(json)));
});

describe('a name that is given several times', () => {
  test.each([
    'subscription { data(streamIds: ["s"]) { time string time } }',
    'subscription { data(streamIds: ["s"]) { a: time b: string a: time } }',
  ])('%s', async (document) => {
    const bytes = Buffer.from('x');
    const text = compile(document)!.write('"s"', '1-0', decodeEntry(bytes, FORMS));
    expect(text).toBe(await executed(document, 's', '1-0', bytes));
  });
});

test.each([
  'subscription { data(streamIds: ["s"]) { ... { time } } }',
  'subscription { data(streamIds: ["s"]) { ... on DataPayload { time } } }',
  'subscription { data(streamIds: ["s"]) { ...F } } fragment F on DataPayload { time }',
  'subscription { ...F } fragment F on Subscription { data(streamIds: ["s"]) { time } }',
  'subscription { data(streamIds: ["s"]) { time @include(if: true) } }',
  'subscription { data(streamIds: ["s"]) @skip(if: false) { time } }',
  'subscription { data(streamIds: ["s"]) { time } data(streamIds: ["s"]) { string } }',
  'subscription { data(streamIds: ["s"]) { other } }',
])('%s is left to graphql-js', (document) => {
  expect(compile(document)).toBeUndefined();
});

test('writers have the same name where they write the same, and only there', () => {
  const name = (root: string, fields: string) =>
    compile(`subscription { ${root}data(streamIds: ["s"]) { ${fields} } }`)!.name;
  const same = [name('', 'time a: string'), name('data: ', 'time: time a: string time')];
  const others = [
    name('', 'a: string time'),
    name('b: ', 'time a: string'),
    name('', 'time a: data'),
    name('', 'time string'),
    name('', 'time'),
  ];
  expect(new Set(same).size).toBe(1);
  expect(new Set([...same, ...others]).size).toBe(1 + others.length);
});
