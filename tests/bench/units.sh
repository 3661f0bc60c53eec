#!/usr/bin/env bash
# Measures what supervision by systemd costs, in one run on one test host: the limits of docs/speed.md.
#
# Usage: tests/bench/units.sh [COUNT [ROUNDS]]   as root; 30 and 3 unless given
# LOCKER=PATH measures that binary instead of building the optimised one.
# Prints a table and exits with 1 when a limit is broken. Never part of the tests: it says numbers.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/../.."
. tests/bench/host.sh
[ "$(id -u)" = 0 ] || die "a test host needs root"
count=${1:-30} rounds=${2:-3}
for word in "$count" "$rounds"; do [[ $word =~ ^[0-9]+$ ]] || die "\`$word\` is no count"; done
need_locker
start_host
install -m 644 tests/bench/units.py "$dir/root/root/units.py"
inside python3 /root/units.py work "$count" "$rounds"
reboot_host
inside python3 /root/units.py booted "$count" "$rounds"
