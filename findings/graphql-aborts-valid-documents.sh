#!/usr/bin/env bash
# graphql 16.15.0, validate() with the standard rules.
#
# Guess: validate() returns no error for a valid document of any size, as up to 16.11; how large a document may be is
#   for the parser's `maxTokens` and the server to say.
# Seen: the rule OverlappingFieldsCanBeMerged now has a budget for its comparisons. A valid document beyond it gets
#   one error, "Validation aborted.", which neither names the rule nor a place. 900 times the same field in one
#   selection is enough, or 300 fragments with the same three fields, spread side by side, as clients make
#   that give each component its fragment. Fields with aliases of their own cost little: 2000 of these pass.
#   graphql 16.11.0 accepts all of them.
# What follows: a server that answers with validation errors should say more than this one does; a client that
#   gathers fragments should leave out the same fields.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm install --silent --no-audit --no-fund old@npm:graphql@16.11.0 new@npm:graphql@16.15.0 >/dev/null
cat >run.mjs <<'JS'
import assert from 'node:assert/strict';

const repeat = (count, make) => Array.from({ length: count }, (_, index) => make(index)).join(' ');
const documents = {
  '300 times a field': [`{ a { ${repeat(300, () => 'id')} } }`, []],
  '900 times a field': [`{ a { ${repeat(900, () => 'id')} } }`, ['Validation aborted.']],
  '100 fragments': [fragments(100), []],
  '300 fragments': [fragments(300), ['Validation aborted.']],
  '2000 aliases': [`{ a { ${repeat(2000, (index) => `f${index}: id`)} } }`, []],
};

function fragments(count) {
  const spreads = repeat(count, (index) => `...F${index}`);
  return `{ a { ${spreads} } } ${repeat(count, (index) => `fragment F${index} on T { id x t { id } }`)}`;
}

async function errorsOf(name, document) {
  const { buildSchema, parse, validate } = await import(name);
  const schema = buildSchema('type Query { a: T } type T { id: ID x: Int t: T }');
  return validate(schema, parse(document)).map(({ message }) => message);
}

for (const [what, [document, expected]] of Object.entries(documents)) {
  assert.deepEqual(await errorsOf('old', document), [], what);
  const errors = await errorsOf('new', document);
  assert.deepEqual(errors, expected, what);
  console.log(`${what}: graphql 16.11.0 no error, 16.15.0 ${errors.join() || 'no error'}`);
}
JS
node run.mjs
