#!/usr/bin/env bash
# redis-server 7.0.15 (the same was seen on Redis 8.6.3, Valkey 8.1.1 and 9.1.2, Redict 7.3.6),
# CLIENT TRACKING ON NOLOOP in RESP3.
#
# Guess: NOLOOP leaves out the notices of one's own writes, and nothing else: a key that was read stays tracked, so
#   that the next write of another client is told.
# Seen: one's own write to a tracked key ends its tracking without a notice. What others write afterwards is not told,
#   until the key is read again. In a transaction a cheap read behind the write (XLEN) is enough: Redis tells then of
#   the next change by others, in order with the replies.
# What follows: a cache that writes and reads on one connection with NOLOOP keeps stale values for ever after its own
#   writes. Read in the same transaction, behind the write. That is also a proof: if no notice came between two such
#   transactions, nobody else has changed the key between them.
set -euo pipefail
dir=$(mktemp -d)
trap 'kill "$server" 2>/dev/null || :; rm -rf "$dir"' EXIT
cd "$dir"
redis-server --port 0 --unixsocket "$dir/redis.sock" --save '' --dir "$dir" >/dev/null &
server=$!

cat > run.mjs <<'EOF'
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

const path = process.argv[2];
const encode = (line) => {
  const words = line.split(' ');
  return `*${words.length}\r\n${words.map((word) => `$${word.length}\r\n${word}\r\n`).join('')}`;
};
function client() {
  const socket = connect(path);
  let received = '';
  socket.on('data', (bytes) => (received += bytes));
  return {
    /** Sends commands; resolves with how many notices came meanwhile. */
    async send(...lines) {
      socket.write(lines.map(encode).join(''));
      await sleep(100);
      const notices = received.split('>2\r\n$10\r\ninvalidate').length - 1;
      received = '';
      return notices;
    },
    end: () => socket.end(),
  };
}

const ours = client();
const others = client();
/** @returns how many notices we get when another client writes */
async function noticesAfter(...lines) {
  await ours.send(...lines);
  await others.send('XADD k * f v');
  return ours.send('PING');
}

await ours.send('HELLO 3', 'CLIENT TRACKING ON NOLOOP');
const seen = {
  'after a read': await noticesAfter('XLEN k'),
  'after a read and a write of our own': await noticesAfter('XLEN k', 'XADD k * f v'),
  'after a write and a read in one transaction': await noticesAfter('MULTI', 'XADD k * f v', 'XLEN k', 'EXEC'),
};
console.log(seen);
ours.end();
others.end();
const expected = [1, 0, 1];
if (Object.values(seen).some((notices, index) => notices !== expected[index])) {
  console.error('expected notices:', expected);
  process.exit(1);
}
console.log('as described');
EOF
for _ in $(seq 50); do [ -S redis.sock ] && break; sleep 0.1; done
node run.mjs "$dir/redis.sock"
