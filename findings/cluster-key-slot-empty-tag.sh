#!/usr/bin/env bash
# npm cluster-key-slot 1.1.1, which ioredis 6.0.0 routes by, and redis-server 7.0.15 as a cluster node.
#
# Guess: the package that clients have computed slots with for years agrees with the server on every key, the
#   examples of the cluster specification included.
# Seen: where the first pair of braces is empty, the server hashes the whole key. The package goes on to the next closing
#   brace and hashes what lies between. It is wrong for an example of the specification itself: foo{}{bar} is in slot
#   8363, and the package says 4015. ioredis sends such a key to the wrong node each time; the redirect mends single
#   commands at the price of a round trip, but a pipeline's check for one slot decides wrongly. The package is archived;
#   the clients have copies with the mistake mended in releases after 6.0.0 (redis/ioredis pull request 2172).
# What follows: compute slots by the specification, and try the code on keys with empty tags.
set -euo pipefail
dir=$(mktemp -d)
trap 'kill "$server" 2>/dev/null || :; rm -rf "$dir"' EXIT
cd "$dir"
npm install --silent --no-audit --no-fund cluster-key-slot@1.1.1 >/dev/null
port=$(node -e 'const s = require("net").createServer().listen(0, () => { console.log(s.address().port); s.close(); })')
bus=$(node -e 'const s = require("net").createServer().listen(0, () => { console.log(s.address().port); s.close(); })')
redis-server --port "$port" --cluster-port "$bus" --cluster-enabled yes --save '' --dir "$dir" >/dev/null &
server=$!
until redis-cli -p "$port" ping >/dev/null 2>&1; do sleep 0.1; done

differ=''
for key in 'foo' 'foo{bar}{zap}' 'foo{{bar}}zap' 'foo{}{bar}' '{}a}' 'a{}'; do
  theirs=$(node -e 'console.log(require("cluster-key-slot")(process.argv[1]))' "$key")
  servers=$(redis-cli -p "$port" cluster keyslot "$key")
  echo "$key: the server says $servers, the package $theirs"
  [ "$theirs" = "$servers" ] || differ="$differ $key"
done
[ "$differ" = ' foo{}{bar} {}a}' ]
echo 'as described'
