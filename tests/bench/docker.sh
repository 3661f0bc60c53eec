#!/usr/bin/env bash
# Measures locker beside the raw engine interface and docker-compose 2.26 and 1.29, in one run on one test host.
#
# Usage: tests/bench/docker.sh [COUNT [MANY [ROUNDS]]]   as root; 30, 200 and 3 unless given
# LOCKER=PATH measures that binary instead of building the optimised one.
# Prints a table and writes target/bench-docker.json; exits with 1 when a limit of docs/speed.md is broken.
# Never part of the tests: it says numbers. dockerd runs inside the test host only, never on this machine.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/../.."
here=$PWD
. tests/bench/host.sh
[ "$(id -u)" = 0 ] || die "a test host needs root"
count=${1:-30} many=${2:-200} rounds=${3:-3}
for word in "$count" "$many" "$rounds"; do [[ $word =~ ^[0-9]+$ ]] || die "\`$word\` is no count"; done

# The peers: one static binary of Debian trixie's package, and bookworm's package with what it needs beyond
# the test host's own packages, unpacked side by side.
compose=$cache/peers/docker-compose-2.26
compose1=$cache/peers/docker-compose-1.29-$(basename "$(dirname "$rootfs")")

# apt-get with the lists of one release, kept apart from this machine's, as seen from the test host.
apt_of() {
    local suite=$1 place=$2 mirror
    shift 2
    mkdir -p "$place/lists/partial" "$place/cache/archives/partial"
    # The mirror is the one that this machine uses itself.
    mirror=$(apt-get indextargets --format '$(CODENAME) $(REPO_URI)' | awk '$1 !~ /-/ { print $2; exit }')
    [ -n "$mirror" ] || die "this machine has no lists of packages; run: apt-get update"
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main" >"$place/list"
    apt-get -qq -o "Dir::Etc::sourcelist=$place/list" -o Dir::Etc::sourceparts=/dev/null \
        -o "Dir::State::lists=$place/lists" -o "Dir::State::status=$rootfs/var/lib/dpkg/status" \
        -o "Dir::Cache=$place/cache" -o Debug::NoLocking=true -o APT::Sandbox::User=root "$@"
}

fetch_compose() {
    local place
    mkdir -p "$cache/peers"
    place=$(mktemp -d "$cache/peers/new.XXXXXX")
    apt_of trixie "$place" update
    (cd "$place" && apt_of trixie "$place" download docker-compose)
    dpkg -x "$place"/docker-compose_2.26*.deb "$place/x"
    # The package has other files of that name.
    install -m 755 "$(find "$place/x" -type f -perm -u+x -name docker-compose | head -n 1)" "$compose"
    rm -rf "$place"
}

fetch_compose1() {
    local place package
    mkdir -p "$cache/peers"
    place=$(mktemp -d "$cache/peers/new.XXXXXX")
    apt_of bookworm "$place" update
    apt_of bookworm "$place" --yes --no-install-recommends --download-only install docker-compose
    for package in "$place"/cache/archives/*.deb; do dpkg -x "$package" "$place/x"; done
    mv "$place/x" "$compose1"
    rm -rf "$place"
}
[ -x "$compose" ] || fetch_compose
[ -d "$compose1" ] || fetch_compose1

need_locker
start_host
cp -a "$compose1/usr" "$dir/root/"
mv "$dir/root/usr/bin/docker-compose" "$dir/root/usr/local/bin/docker-compose-1"
install -m 755 "$compose" "$dir/root/usr/local/bin/docker-compose-2"
install -m 644 tests/bench/docker.py "$dir/root/root/docker.py"

start_engine
status=0
inside python3 /root/docker.py "$count" "$many" "$rounds" || status=$?
[ ! -e "$dir/root/root/bench-docker.json" ] || { mkdir -p target && cp "$dir/root/root/bench-docker.json" "$here/target/"; }
exit $status
