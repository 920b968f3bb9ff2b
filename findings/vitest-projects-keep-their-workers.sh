#!/usr/bin/env bash
# vitest 4.1.12: how many workers run, with projects and the argument --maxWorkers.
#
# Guess: an argument of the command line beats the configuration file, so `vitest run --maxWorkers=1` runs one file at
#   a time, whatever the file says. And `maxWorkers: '150%'` means three workers for two processors.
# Seen: the argument reaches the root only. A project with `extends: true` that inherits `maxWorkers` from the file
#   keeps the file's number, and so runs files side by side. The environment variable VITEST_MAX_WORKERS=1 reaches all
#   of them. A percentage over 100 gives as many workers as there are processors, and nothing says so.
# What follows: tests that must run alone set the variable, or the limit stands in a project of their own.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund vitest@4.1.12 vite@7.3.1 >/dev/null
cat >vitest.config.mjs <<'JS'
export default {
  test: { maxWorkers: '150%', projects: [{ extends: true, test: { name: 'inherits', include: ['*.test.mjs'] } }] },
};
JS
cat >workers.mjs <<'JS'
import { createVitest } from 'vitest/node';
const vitest = await createVitest('test', { watch: false, ...JSON.parse(process.argv[2]) });
console.log(JSON.stringify([vitest.config.maxWorkers, vitest.projects[0].config.maxWorkers]));
await vitest.close();
JS
processors=$(node -p 'os.availableParallelism()')
[ "$processors" -gt 1 ] || { echo 'needs two processors'; exit 1; }
see() { # see WHAT EXPECTED ARGUMENTS: root and project
  local seen; seen=$(node workers.mjs "$3" | tail -1)
  echo "$1: root and project have $seen workers"
  [ "$seen" = "$2" ]
}
see 'maxWorkers 150%' "[$processors,$processors]" '{}'
see 'with --maxWorkers=1' "[1,$processors]" '{"maxWorkers":1}'
VITEST_MAX_WORKERS=1 see 'with VITEST_MAX_WORKERS=1' '[1,1]' '{}'
echo 'as described'
