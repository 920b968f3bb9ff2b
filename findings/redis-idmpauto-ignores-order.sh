#!/usr/bin/env bash
# Redis 8.6.3, XADD … IDMPAUTO (new in 8.6), which derives the idempotent id from the entry's content.
#
# Guess: an entry is an ordered list of field-value pairs, in which a field may occur twice, and XRANGE gives
#   it back in that order. So two entries whose pairs differ in order are two entries.
# Seen: the order does not count. `x 1 x 2` and then `x 2 x 1` of one producer: the second is answered with
#   the first one's id and is not stored, without a sign that the answer means "already there". Entries that
#   differ in a value, in a repetition, or in which field has which value are told apart.
# What follows: who encodes a sequence as repeated fields (samples, moves, edits) loses entries. Use IDMP with
#   ids of your own.
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
dir=$(mktemp -d)
trap 'kill "$server" 2>/dev/null || :; rm -rf "$dir"' EXIT
. "$here/support/debian-server.sh"
debian_server experimental redis-server redis-server
start_server
expect version "$(redis INFO server | tr -d '\r' | sed -n 's/^redis_version://p')" 8.6.3

stored() { # stored KEY "PAIRS" "PAIRS": how many of two entries are kept
  # shellcheck disable=SC2086
  redis XADD "$1" IDMPAUTO producer '*' $2 >/dev/null
  # shellcheck disable=SC2086
  redis XADD "$1" IDMPAUTO producer '*' $3 >/dev/null
  redis XLEN "$1"
}
expect 'the same entry twice' "$(stored a 'x 1 y 2' 'x 1 y 2')" 1
expect 'another value' "$(stored b 'x 1 y 2' 'x 1 y 3')" 2
expect 'values exchanged' "$(stored c 'x 1 y 2' 'x 2 y 1')" 2
expect 'one pair repeated' "$(stored d 'x 1' 'x 1 x 1')" 2
expect 'fields in another order' "$(stored e 'x 1 y 2' 'y 2 x 1')" 1
expect 'one field, its values in another order' "$(stored f 'x 1 x 2' 'x 2 x 1')" 1
expect 'what is kept of the last' "$(redis --raw XRANGE f - + | tail -n 4 | tr '\n' ' ')" 'x 1 x 2 '
echo 'as described'
