#!/usr/bin/env bash
# Walks limits, Debian containers, boots and power cuts on virtual hosts of Debian 12 and 13, and writes into
# docs/tested-on.md what came of it.
#
# Usage: tests/bench/vm.sh [bookworm|trixie…]   both without a word
# QEMU emulates each host (no KVM is asked for), which takes an hour each; beside other work the times
# are theirs as well. Exits with 1 when a promise was broken; the table says so, too.
set -uo pipefail
cd "$(dirname "$(readlink -f "$0")")/../.." || exit 1
[ $# -gt 0 ] || set -- bookworm trixie
page=docs/tested-on.md log=$(mktemp) failed=0
trap 'rm -f "$log"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

for release; do
    begun=$SECONDS
    LOCKER_VM=$release LOCKER_REQUIRE=kernel,host cargo nextest run --locked --config-file tests/nextest.toml \
        --retries 0 --no-capture --no-fail-fast --run-ignored all \
        -E 'binary(host) & test(/^(limits|walk)::/)' 2>&1 | tee "$log"
    result=passed
    [ "${PIPESTATUS[0]}" = 0 ] || { result=FAILED; failed=1; }
    host=$(sed -n 's/^host: //p' "$log" | head -n 1)
    [ -n "$host" ] || host="Debian ($release), which did not come up"
    walked=$(sed -n 's/ after [0-9.]*m\?s$//p' "$log" | paste -sd, | sed 's/,/, /g')
    row="| $release | $host | ${walked:-nothing} | $result, $(((SECONDS - begun) / 60)) min | $(date -u +%Y-%m-%d) |"
    # The row of this release takes the place of the one before.
    awk -v row="$row" -v key="| $release |" '
        index($0, key) == 1 { print row; found = 1; next }
        /^<!-- end of the walks -->$/ && !found { print row }
        { print }' "$page" >"$page.new" && mv "$page.new" "$page"
done
exit $failed
