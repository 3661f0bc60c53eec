#!/usr/bin/env bash
# Hundreds of containers of each kind under systemd on one test host: up, ps, status, stop, start, a reboot of the host
# and down without a failure, and what each costs for a container, beside the same with few of them.
#
# Usage: tests/bench/many.sh [MANY [FEW]]   as root; 200 and 30 unless given
# LOCKER=PATH measures that binary instead of building the optimised one.
# Prints a line for each step and a table, and exits with 1 when a step fails or a container costs more than a fifth
# more among many. Counted is the processor time of all processes of the test host, the engine's too, so that what else
# the machine does shows little. Never part of the tests: it takes minutes.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/../.."
. tests/bench/host.sh
[ "$(id -u)" = 0 ] || die "a test host needs root"
many=${1:-200} few=${2:-30}
for word in "$many" "$few"; do [[ $word =~ ^[1-9][0-9]*$ ]] || die "\`$word\` is no count"; done
need_locker
start_host

# The processor time of the test host so far, in milliseconds.
used() {
    local group=/sys/fs/cgroup/cpuacct/lxc.payload.$name
    if [ -r "$group/cpuacct.usage" ]; then
        echo $(($(<"$group/cpuacct.usage") / 1000000))
    else
        awk '$1 == "usage_usec" { printf "%d\n", $2 / 1000 }' "/sys/fs/cgroup/lxc.payload.$name/cpu.stat"
    fi
}

start_engine

# A project of COUNT containers that are as SOURCE says.
project() {
    local count=$1 source=$2 number
    mkdir -p "$dir/root/srv/many"
    {
        printf 'name: many\nsupervisor: systemd\ncontainers:\n'
        for number in $(seq "$count"); do printf '  c%d: {%s, restart: always, autostart: true}\n' "$number" "$source"; done
    } >"$dir/root/srv/many/locker.yaml"
}

# How many of the containers are in this state, by `ps`.
in_state() { inside sh -c "cd /srv/many && locker ps --format json" | grep -c "\"state\": *\"$1\"" || true; }

results=$dir/results
# step KIND COUNT WORDS…: one command that must succeed, with its figures.
step() {
    local kind=$1 count=$2 before begun took spent
    shift 2
    before=$(used) begun=$(date +%s%N)
    inside sh -c "cd /srv/many && locker $*" >"$dir/said" 2>&1 ||
        { cat "$dir/said" >&2; die "\`locker $*\` of $count $kind containers failed"; }
    took=$((($(date +%s%N) - begun) / 1000000)) spent=$(($(used) - before))
    printf '%-11s %4d  %-16s %8d ms  %8d ms of processor time\n' "$kind" "$count" "$1" "$took" "$spent" >&2
    echo "$kind $count ${1} $took $spent" >>"$results"
}

expect() {
    local found
    found=$(in_state "$2")
    [ "$found" = "$1" ] || die "$found containers are $2, not $1"
}

# The host goes down and comes up with all of them, and there is nothing left to do. Its own boot is counted as well.
booted() {
    local kind=$1 count=$2 begun took
    begun=$(date +%s%N)
    reboot_host 600
    for _ in $(seq 1 600); do
        [ "$(in_state running)" != "$count" ] || break
        sleep 1
    done
    expect "$count" running
    took=$((($(date +%s%N) - begun) / 1000000))
    inside sh -c 'cd /srv/many && locker plan --exit-code' >"$dir/said" 2>&1 ||
        { cat "$dir/said" >&2; die "after a reboot with $count $kind containers there is something to do"; }
    printf '%-11s %4d  %-16s %8d ms  %8d ms of processor time\n' "$kind" "$count" reboot "$took" "$(used)" >&2
    echo "$kind $count reboot $took $(used)" >>"$results"
}

walk() {
    local kind=$1 count=$2 source=$3
    project "$count" "$source"
    step "$kind" "$count" up --quiet
    expect "$count" running
    step "$kind" "$count" ps --format json
    step "$kind" "$count" status
    step "$kind" "$count" stop --quiet
    expect 0 running
    step "$kind" "$count" start --quiet
    expect "$count" running
    booted "$kind" "$count"
    step "$kind" "$count" down --yes --quiet
    [ -z "$(inside sh -c 'ls /etc/systemd/system | grep ^locker; systemctl --failed --no-legend')" ] ||
        die "units are left of $count $kind containers"
}

for count in "$few" "$many"; do
    walk system "$count" 'template: busybox'
    walk application "$count" 'image: busybox:test, stop_grace_period: 10s'
done

awk -v few="$few" -v many="$many" '
    { spent[$1 " " $3, $2] = $5; took[$1 " " $3, $2] = $4; keys[$1 " " $3] = 1; order[NR] = $1 " " $3 }
    END {
        printf "%-20s %18s %18s %8s\n", "processor time each", few " containers", many " containers", "ratio"
        for (row = 1; row <= NR; row++) {
            key = order[row]
            if (!(key in keys)) continue
            delete keys[key]
            small = spent[key, few] / few; large = spent[key, many] / many
            ratio = small ? large / small : 0
            bad = ratio > 1.2
            worst += bad
            printf "%-20s %15.2f ms %15.2f ms %8.2f  %s (%.1f s)\n", key, small, large, ratio, bad ? "NO" : "yes", took[key, many] / 1000
        }
        exit worst > 0
    }' "$results"
