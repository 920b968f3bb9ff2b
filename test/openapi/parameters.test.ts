/** Every described parameter, against the gateway that runs: what its schema allows is taken, and nothing else. */
import { beforeAll, expect, test } from 'vitest';
import type { Parameter, Schema } from '../../src/openapi/model.js';
import { startForFile } from '../support/gateway-fixture.js';
import { postEntries, type RawAnswer } from '../support/http.js';
import { ask, type Described, OPERATIONS, UPGRADE } from './described.js';

const { gateway } = await startForFile();

beforeAll(async () => {
  await postEntries(`${gateway.http}/data/cam`, '{"n": 1}');
});

/** What a request needs besides, so that it is not refused, or not made to wait, for another reason. */
const BESIDES: Record<string, Readonly<Record<string, string>>> = {
  appendEntries: {},
  readEntries: { last_entry_id: '0', block: '-1' },
  latestEntry: { block: '-1' },
  playPictures: {},
  followEvents: {},
  overview: {},
  pushEntries: { ack: '1' },
  followStreams: {},
};
/** What cannot be given with it. */
const INSTEAD: Record<string, string> = { from: 'last_entry_id' };
/** Not refused by `bad_parameter`, which is for forms, but by `bad_name`. */
const NAMES = ['device_id', 'prefix'];

/** Asks an operation with one parameter. */
function askWith({ path, method, operation }: Described, name: string, value: string): Promise<RawAnswer> {
  const query = new URLSearchParams({ ...BESIDES[operation.operationId], [name]: value });
  if (name in INSTEAD) query.delete(INSTEAD[name]!);
  return ask(gateway.port, {
    method,
    path: `${path.replace('{sid}', 'cam')}?${query}`,
    ...(operation['x-websocket'] === undefined ? {} : { headers: UPGRADE }),
    ...(method === 'post' ? { body: 'x' } : {}),
  });
}

const fits = ({ pattern = '', minLength = 0, maxLength = Infinity }: Schema, text: string) =>
  text.length >= Number(minLength) &&
  text.length <= Number(maxLength) &&
  new RegExp(String(pattern)).test(text);
const TEXTS = [
  ...['', 'a+b', 'a:b', 'abc', '1-2', '0', '-', '$', '1-2-3', '\n', 'x'.repeat(513)],
  ...['2026-11-22', '2026-11-22T14:00Z', '2026-11-22 14:00:00.5+01:00', '22.11.2026'],
];

/** Values in the schema's own terms: at its limits, and just beyond. */
function valuesOf(schema: Schema): { readonly good: readonly string[]; readonly bad: readonly string[] } {
  const { type, enum: words, minimum = 0, maximum } = schema;
  if (Array.isArray(words)) return { good: words.map(String), bad: ['', 'neither'] };
  if (type === 'boolean') return { good: ['true', 'false'], bad: ['', 'neither', '2'] };
  if (type === 'integer' || type === 'number') {
    const limits = [String(minimum), ...(maximum === undefined ? [] : [String(maximum)])];
    const beyond = [
      String(Number(minimum) - 1),
      ...(maximum === undefined ? [] : [String(Number(maximum) + 1)]),
    ];
    return {
      good: type === 'number' ? [...limits, '0.5'] : limits,
      bad: ['', 'x', ...beyond, ...(type === 'integer' ? ['1.5'] : [])],
    };
  }
  const texts = [
    ...TEXTS,
    ...(schema.maxLength === undefined ? [] : ['x'.repeat(Number(schema.maxLength) + 1)]),
  ];
  return {
    good: texts.filter((text) => fits(schema, text)),
    bad: texts.filter((text) => !fits(schema, text)),
  };
}

const all = OPERATIONS.filter(({ operation }) => operation.operationId in BESIDES).flatMap((located) =>
  located.operation
    .parameters!.filter((parameter: Parameter) => parameter.in === 'query')
    .map((parameter) => ({ id: located.operation.operationId, name: parameter.name, located, parameter })),
);

test.each(all)(
  '$name of $id: what its schema refuses is refused, by its name',
  async ({ located, parameter }) => {
    const { name, schema } = parameter;
    const { bad } = valuesOf(schema);
    expect(bad.length).toBeGreaterThan(0);
    for (const value of bad) {
      const { status, body } = await askWith(located, name, value);
      expect([value, status]).toEqual([value, 400]);
      if (NAMES.includes(name)) expect(JSON.parse(body).code).toBe('bad_name');
      else
        expect(JSON.parse(body)).toMatchObject({
          code: 'bad_parameter',
          error: expect.stringContaining(name),
        });
    }
  },
);

test.each(all)('$name of $id: what its schema allows is taken', async ({ located, parameter }) => {
  const { name, schema } = parameter;
  for (const value of valuesOf(schema).good) {
    const { status, body } = await askWith(located, name, value);
    // Nothing is stored where the name leads.
    if (status === 404) continue;
    expect([value, status === 400 ? body : '']).toEqual([value, '']);
    expect(Object.keys(located.operation.responses)).toContain(String(status));
  }
});
