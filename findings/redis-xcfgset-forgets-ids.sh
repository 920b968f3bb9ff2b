#!/usr/bin/env bash
# Redis 8.6.3, XADD … IDMP and XCFGSET (both new in 8.6).
#
# Guess: XCFGSET … IDMP-MAXSIZE or IDMP-DURATION changes how much is remembered from then on: raising a limit
#   forgets nothing, lowering it drops the oldest ids beyond it.
# Seen: a value other than the present one, higher or lower, forgets all idempotent ids of the stream at once.
#   A producer that retries across such a change stores its entries twice. Setting the present value again
#   changes nothing. In contrast CONFIG SET stream-idmp-maxsize leaves existing streams as they are, and the
#   ids survive XDEL and XTRIM of their entries, RENAME, COPY, and DUMP with RESTORE.
# What follows: set a stream's limits before its first idempotent entry, never while producers run.
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
dir=$(mktemp -d)
trap 'kill "$server" 2>/dev/null || :; rm -rf "$dir"' EXIT
. "$here/support/debian-server.sh"
debian_server experimental redis-server redis-server
start_server
expect version "$(redis INFO server | tr -d '\r' | sed -n 's/^redis_version://p')" 8.6.3

again() { # again KEY: whether entry 1 of the producer, sent once more, is stored
  local before after
  before=$(redis XINFO STREAM "$1" | grep -A1 '^entries-added$' | tail -n 1)
  redis XADD "$1" IDMP producer 1 '*' d x >/dev/null
  after=$(redis XINFO STREAM "$1" | grep -A1 '^entries-added$' | tail -n 1)
  ((after > before)) && echo 'stored again' || echo 'known'
}
for key in a b c d e f g; do redis XADD $key IDMP producer 1 '*' d x >/dev/null; done
expect 'sent once more' "$(again a)" known
redis XCFGSET a IDMP-MAXSIZE 100 IDMP-DURATION 100 >/dev/null
expect 'after XCFGSET of the present values' "$(again a)" known
redis XCFGSET a IDMP-MAXSIZE 200 >/dev/null
expect 'after raising IDMP-MAXSIZE' "$(again a)" 'stored again'
redis XCFGSET b IDMP-DURATION 200 >/dev/null
expect 'after raising IDMP-DURATION' "$(again b)" 'stored again'
redis XCFGSET c IDMP-MAXSIZE 50 >/dev/null
expect 'after lowering IDMP-MAXSIZE' "$(again c)" 'stored again'
redis CONFIG SET stream-idmp-maxsize 10 >/dev/null
expect 'after CONFIG SET stream-idmp-maxsize' "$(again d)" known
redis XTRIM e MAXLEN 0 >/dev/null
expect 'after its entry was trimmed' "$(again e)" known
redis RENAME f f2 >/dev/null
expect 'after RENAME' "$(again f2)" known
redis COPY g g2 >/dev/null
expect 'in a COPY' "$(again g2)" known
echo 'as described'
