#!/usr/bin/env bash
# Sets up what the tests need beyond Node: Debian's chromium, installed, in which the report's browser test opens the HTML
# report; and Debian's QEMU, Xen, toolstack and kernel for arm64, unpacked into a cache folder for `shootdown capture` (for
# that, npm ci must have been run): trixie's Xen 4.20, and bookworm's 4.17, which adds 5 MB and differs most; and for `shootdown
# probe` a compiler and the current kernels, 100 MB; and a Redis or Valkey server, 2 MB, for the tests of --queue. Can be run
# again; does nothing for what is there already.
#
#   scripts/setup-debian.sh          asks before it installs
#   scripts/setup-debian.sh --yes    does not ask (for .ci/run)
set -euo pipefail

packages=(chromium)

say() { printf 'setup-debian: %s\n' "$*"; }
die() {
  printf 'setup-debian: %s\n' "$*" >&2
  exit 1
}

yes=false
for argument in "$@"; do
  case $argument in
    --yes) yes=true ;;
    -h | --help)
      sed -n '2,/^set /{/^set /!s/^# \{0,1\}//p}' "$0"
      exit 0
      ;;
    *) die "unknown argument $argument; only --yes and --help are known" ;;
  esac
done

missing=()
for package in "${packages[@]}"; do
  if [[ $(dpkg-query -W -f '${Status}' "$package" 2>/dev/null || true) == 'install ok installed' ]]; then
    say "$package is installed already"
  else
    missing+=("$package")
  fi
done
install_packages() {
  command -v apt-get >/dev/null ||
    die "apt-get not found: this is not Debian; install ${missing[*]} by your system's own means"

  local as_root=()
  if ((EUID != 0)); then
    command -v sudo >/dev/null || die "must be run as root (no sudo here) to install ${missing[*]}"
    as_root=(sudo)
  fi

  say "will install ${missing[*]} with apt-get, without recommended packages"
  if [[ $yes == false ]]; then
    [[ -t 0 ]] || die "no terminal to ask on; add --yes"
    read -r -p 'Go on? [y/N] ' answer
    [[ $answer == [yY]* ]] || die "nothing installed"
  fi

  "${as_root[@]}" apt-get update -q
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}"
  say "installed ${missing[*]}"
}

# Nothing is installed and root is not needed: apt fetches and checks, dpkg unpacks into the cache folder.
set_up_capture() {
  cd "$(dirname "$0")/.."
  [[ -d node_modules ]] || die "node_modules is not there: run npm ci first, the set-up of captures needs it"
  npm run --silent build
  local asked=()
  [[ $yes == false ]] || asked=(--yes)
  local release
  for release in trixie bookworm; do node dist/command/main.js capture --setup --debian "$release" "${asked[@]}"; done
  node dist/command/main.js probe --setup "${asked[@]}"
}

# A server for the tests of --queue, with what it needs and is not installed: fetched and checked by apt, unpacked into the cache
# folder beside what captures use, as usr/bin/valkey-server or usr/bin/redis-server.
set_up_queue() {
  local server
  for server in valkey-server redis-server; do
    if command -v "$server" >/dev/null; then
      say "$server is installed already"
      return
    fi
  done
  local folder=${SHOOTDOWN_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/shootdown}/debian/queue
  if compgen -G "$folder/usr/bin/*-server" >/dev/null; then
    say "ready: a server for --queue is in $folder"
    return
  fi
  command -v apt-get >/dev/null || die "apt-get not found: install valkey-server or redis-server by your system's own means"
  # Lists that the system has read are as good as new ones; without any, only root can have them read.
  if ! apt-cache show redis-server >/dev/null 2>&1; then
    ((EUID == 0)) || die "apt knows no redis-server: run apt-get update as root"
    apt-get update -q
  fi
  for server in valkey-server redis-server; do
    if apt-cache show "$server" >/dev/null 2>&1; then break; fi
  done
  local needed
  mapfile -t needed < <(apt-get install -s --no-install-recommends "$server" | sed -n 's/^Inst \([^ ]*\) .*/\1/p')
  say "fetching ${needed[*]} into $folder"
  local fetched
  fetched=$(mktemp -d)
  (cd "$fetched" && apt-get download -q "${needed[@]}")
  mkdir -p "$folder.new"
  local file
  for file in "$fetched"/*.deb; do dpkg-deb -x "$file" "$folder.new"; done
  rm -rf "$fetched" "$folder"
  mv "$folder.new" "$folder"
}

# What cannot be set up does not keep the other from it. Within `||` or `if`, set -e would be off in the function too: so
# each runs in a subshell of its own, whose status is looked at afterwards.
status=0
attempt() {
  local failed
  set +e
  (
    set -e
    "$1"
  )
  failed=$?
  set -e
  ((failed == 0)) || status=1
}
if ((${#missing[@]} > 0)); then attempt install_packages; fi
attempt set_up_capture
attempt set_up_queue
exit "$status"
