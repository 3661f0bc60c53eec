#!/usr/bin/env bash
# Kills `locker` at random moments on a test host and looks whether the next run mends all of it.
#
# Usage: tests/bench/kills.sh [ROUNDS [SEED [SECONDS]]]   as root; 200, 1 and 7200 unless given
# LOCKER=PATH tries that binary instead of building the optimised one.
# Prints a line for each round and ends with 1 when a round was bad. Never part of the tests: it takes an hour.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/../.."
. tests/bench/host.sh
[ "$(id -u)" = 0 ] || die "a test host needs root"
rounds=${1:-200} seed=${2:-1} seconds=${3:-7200}
for word in "$rounds" "$seed" "$seconds"; do [[ $word =~ ^[0-9]+$ ]] || die "\`$word\` is no number"; done
need_locker
start_host
install -m 644 tests/bench/kills.py "$dir/root/root/kills.py"
start_engine
inside python3 -u /root/kills.py "$rounds" "$seed" "$seconds"
