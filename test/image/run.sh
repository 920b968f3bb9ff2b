#!/bin/sh
# npm run test:image [-- TEST…]: builds the image and runs the tests inside it, all or those named; then, if none are
# named, starts docker-compose.yml as a user does. Needs Docker. DOCKER_BUILD_ARGS is passed to each build, e.g.
# DOCKER_BUILD_ARGS='--network host'.
set -eu
cd "$(dirname "$0")/../.."

build() {
  # shellcheck disable=SC2086 # several arguments
  docker build ${DOCKER_BUILD_ARGS-} "$@"
}

build --tag streamgate:shipped .
# .dockerignore keeps the tests out of the first build, so the second gets its files by another way.
git ls-files --cached --others --exclude-standard \
  | while IFS= read -r file; do [ ! -e "$file" ] || printf '%s\n' "$file"; done \
  | tar --create --files-from=- \
  | build --tag streamgate:tests --file test/image/Dockerfile -
# Some tests mount small disks, and some listen on ::1.
docker run --rm --init --cap-add SYS_ADMIN --security-opt apparmor=unconfined \
  --sysctl net.ipv6.conf.all.disable_ipv6=0 streamgate:tests npx vitest run "$@"
[ $# -gt 0 ] || npx vitest run --config test/image/vitest.config.ts
