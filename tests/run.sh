#!/usr/bin/env bash
# Runs every check and every test on a Debian 12 machine; installs what is missing.
#
# Usage: tests/run.sh [FILTER…]    filters select tests by name; without any, all run
# LOCKER_REQUIRE=kernel,host makes a ring that cannot run a failure instead of a skip.
# Ends with `N passed, N failed, N skipped`; exits non-zero on any failure.
set -uo pipefail
cd "$(dirname "$(readlink -f "$0")")/.." || exit 1
. .ci/machine.sh

home=/var/tmp/locker-tests
log=$(mktemp -d)
passed=0 failed=0 skipped=0
broken=()

# Removes what killed runs left. Whoever can take a slot's lock owns all that bears its number, so
# a run that is still at work beside this one is never touched.
sweep() {
    [ "$(id -u)" = 0 ] && [ -d $home ] || return 0
    for lock in $home/slot-*.lock; do
        [ -e "$lock" ] || continue
        number=${lock##*/slot-} number=${number%.lock} dir=${lock%.lock}
        (
            flock -n 9 || exit 0
            [ -d "$dir/lxc/lkt$number" ] && lxc-stop -k -P "$dir/lxc" -n "lkt$number" 2>/dev/null
            mountpoint -q "$dir/root" && umount "$dir/root"
            [ -e "/sys/class/net/lkt$number" ] && ip link delete "lkt$number"
            mountpoint -q "$dir/root" || rm -rf "$dir"
        ) 9<>"$lock"
    done
}
trap 'sweep; rm -rf "$log"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# check WORD COMMAND…: a check that counts as one test.
check() {
    word=$1; shift
    say "$word: $*"
    if "$@"; then passed=$((passed + 1)); else failed=$((failed + 1)); broken+=("$word"); fi
}

# count FILE: adds the results that nextest or the standard test runner printed to the sums.
count() {
    read -r p f s < <(sed 's/\x1b\[[0-9;]*m//g' "$1" | awk '
        function number(word) { return match($0, "[0-9]+ " word) ? substr($0, RSTART, RLENGTH) + 0 : 0 }
        /^ *Summary \[/ { p += number("passed"); f += number("failed") + number("timed out"); s += number("skipped") }
        /^test result: / { p += number("passed"); f += number("failed"); s += number("ignored") }
        END { print p + 0, f + 0, s + 0 }')
    passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
}

# tests WORD COMMAND…: runs tests, shows and counts them; a run that fails without a failed test counts as one.
tests() {
    word=$1; shift
    say "$word: $*"
    before=$failed
    "$@" 2>&1 | tee "$log/out"
    status=${PIPESTATUS[0]}
    count "$log/out"
    if [ "$status" != 0 ]; then
        broken+=("$word")
        [ "$failed" != "$before" ] || failed=$((failed + 1))
    fi
}

if [ "$(id -u)" = 0 ]; then
    need_packages lxc lxc-templates busybox-static uidmap rsync nftables iptables iproute2 openssh-client curl attr \
        mmdebstrap procps ca-certificates gcc libc6-dev binutils qemu-system-x86 cpio e2fsprogs
fi
need_rust 1.89
sweep
export LOCKER_SKIPPED=$log/skipped
: >"$LOCKER_SKIPPED"

if [ $# = 0 ]; then
    check format cargo fmt --check
    check clippy cargo clippy --locked --all-targets -- -D warnings
fi
if cargo nextest --version >/dev/null 2>&1; then
    tests "rings 1 to 3" cargo nextest run --locked --config-file tests/nextest.toml --no-fail-fast "$@"
else
    # libtest takes one filter only, so each gets a run of its own.
    for filter in "${@:-}"; do
        tests "rings 1 to 3" cargo test --locked --no-fail-fast --lib --bins --tests -- ${filter:+"$filter"}
    done
fi
[ $# != 0 ] || tests "examples in the documentation" cargo test --locked --doc

unable=$(wc -l <"$LOCKER_SKIPPED")
if [ "$unable" -gt 0 ]; then
    say "tests that could not run here"
    sort "$LOCKER_SKIPPED" | uniq -c
    passed=$((passed - unable)) skipped=$((skipped + unable))
fi
[ ${#broken[@]} = 0 ] || say "failed: ${broken[*]}"
printf '\n%s passed, %s failed, %s skipped\n' "$passed" "$failed" "$skipped"
[ "$failed" = 0 ]
