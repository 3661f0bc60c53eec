#!/usr/bin/env bash
# The figures of published ports, each beside the raw tool in the same run, in private network namespaces:
# 10,000 ports in one change, one more port, the latency of a new connection, 1,000 ports with iptables.
# Builds the optimised tests first; prints one line a figure; touches nothing of the host's network.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/../.."
[ "$(id -u)" = 0 ] || { echo "error: network namespaces need root; run: sudo $0" >&2; exit 1; }
exec cargo test --profile measured --locked --test kernel numbers -- --ignored --nocapture --test-threads=1
