#!/usr/bin/env bash
# ioredis 6.0.0, which speaks RESP3 by default, against redis-server 7.0.
#
# Guess: a client whose connection is RESP3 hands on push messages, so that after `CLIENT TRACKING ON` an
#   event says which cached keys have changed.
# Seen: `CLIENT TRACKING ON` answers OK and the server sends `invalidate` for each change, but the reader of
#   push messages knows those of publish/subscribe alone and drops all others: no event of any name comes,
#   no error and no warning. A cache built on it serves old values for ever.
# What helps: RESP2 with `CLIENT TRACKING ON REDIRECT id` to a second connection that subscribes to
#   `__redis__:invalidate`; or a RESP3 reader of one's own.
set -euo pipefail
dir=$(mktemp -d)
trap 'kill "$server" 2>/dev/null || :; rm -rf "$dir"' EXIT
cd "$dir"
redis-server --port 0 --unixsocket "$dir/redis.sock" --save '' --dir "$dir" >/dev/null &
server=$!
npm install --silent --no-audit --no-fund ioredis@6.0.0 >/dev/null
cat >run.mjs <<'JS'
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { Redis } from 'ioredis';

const path = process.argv[2];
const writer = new Redis({ path });
const cache = new Redis({ path });
const events = [];
await once(cache, 'ready');
const emit = cache.emit;
cache.emit = function (name, ...rest) {
  events.push(name);
  return emit.call(this, name, ...rest);
};
assert.equal(await cache.call('CLIENT', 'TRACKING', 'ON'), 'OK');
await cache.get('key');

// What the server sends to a connection that does the same, byte by byte.
const raw = connect(path);
let seen = '';
raw.on('data', (chunk) => {
  seen += chunk;
});
raw.write('HELLO 3\r\nCLIENT TRACKING ON\r\nGET key\r\n');
while (!seen.endsWith('+OK\r\n_\r\n')) await once(raw, 'data');
await writer.set('key', 'new');
while (!seen.includes('invalidate')) await once(raw, 'data');
console.log('on the wire:', JSON.stringify(seen.slice(seen.indexOf('>'))));

// The next answer comes after the push.
await cache.ping();
console.log('events of the ioredis client:', events);
assert.deepEqual(events, []);
raw.destroy();
writer.disconnect();
cache.disconnect();
JS
for _ in $(seq 50); do [ -S redis.sock ] && break; sleep 0.1; done
node run.mjs "$dir/redis.sock"
echo 'as described'
