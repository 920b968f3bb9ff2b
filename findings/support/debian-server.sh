# shellcheck shell=bash
# debian_server SUITE PACKAGE PROGRAM: downloads a server of another Debian release below $dir, installs
# nothing, and sets $server_command to an array that runs it by the libraries of its own release.
# The mirror is the one that this machine's apt uses.
debian_server() {
  local suite=$1 package=$2 program=$3 root=$dir/root apt=$dir/apt mirror loader libraries
  mkdir -p "$root" "$apt/cache/archives/partial" "$apt/state/lists/partial"
  : >"$apt/status"
  mirror=$(apt-get indextargets --format '$(REPO_URI) $(CODENAME)' 'Created-By: Packages' 'Component: main' |
    awk '$2 !~ /-/ && $1 ~ /debian/ {print $1; exit}')
  printf 'deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] %s %s main\n' \
    "$mirror" sid "$mirror" "$suite" | sort -u >"$apt/sources.list"
  cat >"$apt/apt.conf" <<CONF
Dir::State "$apt/state";
Dir::State::status "$apt/status";
Dir::Cache "$apt/cache";
Dir::Etc::sourcelist "$apt/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
APT::Sandbox::User "root";
CONF
  APT_CONFIG=$apt/apt.conf apt-get -qq update
  APT_CONFIG=$apt/apt.conf apt-get -qq install -y --download-only --no-install-recommends "$package/$suite" >/dev/null
  for archive in "$apt"/cache/archives/*.deb; do dpkg-deb -x "$archive" "$root"; done
  loader=$(find "$root" -name 'ld-linux*.so.?' | head -n 1)
  libraries=$(find "$root" -name libc.so.6 -printf '%h\n' | head -n 1)
  server_command=("$loader" --library-path "$libraries:$root/usr/lib/x86_64-linux-gnu" "$(find "$root" -path "*/bin/$program" | head -n 1)")
}

# start_server ARGUMENT…: starts it on the Unix socket $dir/server.sock; its process is $server.
start_server() {
  "${server_command[@]}" --port 0 --unixsocket "$dir/server.sock" --save '' --dir "$dir" "$@" >"$dir/server.log" &
  server=$!
  for _ in $(seq 100); do [ -S "$dir/server.sock" ] && return; sleep 0.1; done
  cat "$dir/server.log"
  exit 1
}

# redis COMMAND…: one command and its answer.
redis() { redis-cli -s "$dir/server.sock" "$@"; }

# expect WHAT SAW EXPECTED
expect() {
  printf '%s: %s\n' "$1" "$2"
  [ "$2" = "$3" ] || { echo "expected: $3"; exit 1; }
}
