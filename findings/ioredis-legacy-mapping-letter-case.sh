#!/usr/bin/env bash
# ioredis 6.0.0, RESP3 by default with `replyMapping: "legacy"`, against redis-server 7.0.
#
# Guess: the mapping's documentation says RESP2-compatible shapes, identical under both protocols. So
#   `call('XREAD', …)`, `call('xread', …)`, and a transaction without a pipeline all answer what
#   ioredis 5 did: a list of [stream, entries] pairs.
# Seen: replies are mapped by the command's name as the caller spells it. `call('xread')` is mapped;
#   `call('XREAD')` and `callBuffer('XREAD')` are not, also inside a pipeline or MULTI, and answer one level
#   less: [stream, entries]. `call('ZRANGE', …, 'WITHSCORES')` answers pairs where RESP2 gave a flat list.
#   After `multi({ pipeline: false })` the same happens to `xread()` and `zrange()` themselves, since EXEC's
#   elements are not mapped. Code that loops over `[key, entries]` of XREAD then takes the stream's
#   name for a pair and finds no entries, without an error.
# What helps: lower-case names with `call`, pipelined transactions, or `protocol: 2`.
set -euo pipefail
dir=$(mktemp -d)
trap 'kill "$server" 2>/dev/null || :; rm -rf "$dir"' EXIT
cd "$dir"
redis-server --port 0 --unixsocket "$dir/redis.sock" --save '' --dir "$dir" >/dev/null &
server=$!
npm install --silent --no-audit --no-fund ioredis@6.0.0 >/dev/null
cat >run.mjs <<'JS'
import assert from 'node:assert/strict';
import { Redis } from 'ioredis';

const path = process.argv[2];
const three = new Redis({ path });
const two = new Redis({ path, protocol: 2 });
await three.xadd('s', '1-1', 'd', 'x');
await three.zadd('z', 1.5, 'm');

const PAIRS = [['s', [['1-1', ['d', 'x']]]]];
const SHALLOW = ['s', [['1-1', ['d', 'x']]]];
const cases = {
  "xread()": [(c) => c.xread('STREAMS', 's', '0'), PAIRS, PAIRS],
  "call('xread')": [(c) => c.call('xread', 'STREAMS', 's', '0'), PAIRS, PAIRS],
  "call('XREAD')": [(c) => c.call('XREAD', 'STREAMS', 's', '0'), SHALLOW, PAIRS],
  "pipeline().call('XREAD')": [
    async (c) => (await c.pipeline().call('XREAD', 'STREAMS', 's', '0').exec())[0][1],
    SHALLOW,
    PAIRS,
  ],
  "call('ZRANGE', WITHSCORES)": [(c) => c.call('ZRANGE', 'z', 0, -1, 'WITHSCORES'), [['m', '1.5']], ['m', '1.5']],
  'multi({ pipeline: false }), xread()': [
    async (c) => {
      await c.multi({ pipeline: false });
      await c.xread('STREAMS', 's', '0');
      return (await c.exec())[0][1];
    },
    SHALLOW,
    PAIRS,
  ],
};
for (const [name, [run, underThree, underTwo]] of Object.entries(cases)) {
  const [a, b] = [await run(three), await run(two)];
  console.log(`${name}\n  RESP3, legacy: ${JSON.stringify(a)}\n  RESP2:         ${JSON.stringify(b)}`);
  assert.deepEqual(a, underThree, name);
  assert.deepEqual(b, underTwo, name);
}
three.disconnect();
two.disconnect();
JS
for _ in $(seq 50); do [ -S redis.sock ] && break; sleep 0.1; done
node run.mjs "$dir/redis.sock"
echo 'as described'
