#!/usr/bin/env bash
# redis-server 7.0.15, a cluster of one master and one replica.
#
# Guess: CLUSTER SLOTS names a replica as soon as the replica is in step with its master and CLUSTER NODES has it so.
# Seen: a replica whose replication offset is still 0 is left out, though its link is up and CLUSTER NODES lists it.
#   It is named from the first byte of replication on: a write, or the ping that the
#   master sends every repl-ping-replica-period, 10 s by default.
# What follows: who looks for masters without replicas by CLUSTER SLOTS finds false ones in an idle, new cluster. Ask
#   CLUSTER NODES for that, and do not take one answer for the whole of it.
set -euo pipefail
dir=$(mktemp -d)
trap 'kill "${servers[@]}" 2>/dev/null || :; rm -rf "$dir"' EXIT
cd "$dir"
servers=()
ports=()
for name in master replica; do
  port=$(node -e 'const s = require("net").createServer().listen(0, () => { console.log(s.address().port); s.close(); })')
  bus=$(node -e 'const s = require("net").createServer().listen(0, () => { console.log(s.address().port); s.close(); })')
  mkdir "$name"
  redis-server --port "$port" --cluster-port "$bus" --cluster-enabled yes --save '' --dir "$dir/$name" \
    --repl-diskless-sync-delay 0 --repl-ping-replica-period 3600 >/dev/null &
  servers+=($!)
  ports+=("$port $bus")
done
read -r master master_bus <<<"${ports[0]}"
read -r replica _ <<<"${ports[1]}"
for port in "$master" "$replica"; do until redis-cli -p "$port" ping >/dev/null 2>&1; do sleep 0.1; done; done
redis-cli -p "$master" cluster addslotsrange 0 16383 >/dev/null
redis-cli -p "$replica" cluster meet 127.0.0.1 "$master" "$master_bus" >/dev/null
until redis-cli -p "$replica" cluster replicate "$(redis-cli -p "$master" cluster myid)" 2>/dev/null | grep -q OK; do sleep 0.1; done
until redis-cli -p "$replica" info replication | grep -q master_link_status:up; do sleep 0.1; done
until redis-cli -p "$master" cluster nodes | grep -q ' slave '; do sleep 0.1; done
sleep 3

named() { redis-cli -p "$master" cluster slots | grep -c "^$replica$" || :; }
idle=$(named)
redis-cli -p "$master" set k v >/dev/null
sleep 2
written=$(named)
echo "in step, nothing written: CLUSTER SLOTS names the replica $idle times; after a write: $written"
[ "$idle" = 0 ] && [ "$written" = 1 ]
echo 'as described'
