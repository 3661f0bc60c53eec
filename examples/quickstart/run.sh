#!/usr/bin/env bash
# Brings the quickstart up on a Debian 12 machine: installs what is missing, builds locker, runs it.
#
# Usage: examples/quickstart/run.sh          up; may be run again at any time
#        examples/quickstart/run.sh down     takes everything down; data/ stays
# LOCKER=PATH uses that binary instead of building one. QUICKSTART_PORT changes the port (8080).
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
port=${QUICKSTART_PORT:-8080}
export QUICKSTART_PORT=$port
[ "$(id -u)" = 0 ] || { echo "error: containers need root; run: sudo $0 $*" >&2; exit 1; }

# What brought it up takes it down, and needs no packages for that.
[ "${1:-up}" != down ] || LOCKER=${LOCKER:-$(command -v locker || true)}
if [ -z "${LOCKER:-}" ]; then
    repository=$here/../..
    . "$repository/.ci/machine.sh"
    need_packages lxc lxc-templates busybox-static uidmap rsync nftables iptables iproute2 openssh-client curl ca-certificates gcc libc6-dev
    need_rust 1.89
    # The plain build: the optimised one (`cargo build --release`) takes minutes longer.
    cargo build --locked --manifest-path "$repository/Cargo.toml"
    target=$(cargo metadata --manifest-path "$repository/Cargo.toml" --format-version 1 --no-deps |
        sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
    LOCKER=$target/debug/locker
fi
run() {
    printf '\n$ locker %s\n' "$*"
    "$LOCKER" "$@"
}

cd "$here"
case ${1:-up} in
    up) ;;
    down)
        run down --yes
        echo
        echo "The data of db is still in $here/data; remove it with: rm -r $here/data"
        exit 0
        ;;
    *) echo "usage: $0 [up|down]" >&2; exit 2 ;;
esac

run up
run status
printf '\n$ curl http://127.0.0.1:%s/\n' "$port"
curl --silent --show-error --fail --noproxy '*' --retry 20 --retry-delay 1 --retry-connrefused --max-time 30 \
    "http://127.0.0.1:$port/"
run plan
echo
echo "The page is at http://127.0.0.1:$port/ and on every address of this machine."
echo "Look inside:    cd $here && $LOCKER shell web"
echo "Take it down:   $here/run.sh down"
