#!/usr/bin/env bash
# Measures locker beside raw LXC in the same run, on 30 busybox containers with 3 ports each.
#
# Usage: tests/bench/run.sh [COUNT [ROUNDS]]     as root; prints a table and writes target/bench.json
# LOCKER=PATH measures that binary instead of building the optimised one.
# Each round does raw and locker one after the other, in turn which comes first; the median counts.
# Never part of the tests: it says numbers, and exits with 1 when a limit of docs/speed.md is broken.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/../.."
die() { echo "error: $*" >&2; exit 1; }
[ "$(id -u)" = 0 ] || die "raw LXC needs root"
count=${1:-30} rounds=${2:-3}
for word in "$count" "$rounds"; do [[ $word =~ ^[1-9][0-9]*$ ]] || die "\`$word\` is no count"; done

# Whatever bears these names is somebody else's, or of a run that was killed.
bridge=lkbench0
taken=$(find /sys/class/net /sys/fs/cgroup -maxdepth 3 \
    \( -name $bridge -o -name 'lxc.payload.lkbench_*' -o -name 'lxc.payload.lkraw_*' \) 2>/dev/null | head -n 1)
[ -z "$taken" ] || die "$taken is there already: end that run first"

if [ -z "${LOCKER:-}" ]; then
    cargo build --release --locked
    LOCKER=$(cargo metadata --format-version 1 --no-deps | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')/release/locker
fi
LOCKER=$(readlink -f "$LOCKER")
[ -x "$LOCKER" ] || die "$LOCKER is no program"

home=$(mktemp -d /var/tmp/locker-bench.XXXXXX)
mkdir "$home/raw" "$home/project" "$home/lxc" "$home/plan" "$home/numbers"
locker() { (cd "$home/project" && exec "$LOCKER" --state-dir "$home/state" --lxcpath "$home/lxc" "$@"); }
finish() {
    trap - EXIT INT TERM HUP
    locker down --yes >/dev/null 2>&1 || true
    for dir in "$home"/raw/*/; do
        [ ! -e "$dir/config" ] || lxc-destroy -f -P "$home/raw" -n "$(basename "$dir")" >/dev/null 2>&1 || true
    done
    ip link delete $bridge 2>/dev/null || true
    # What still runs keeps its directory: better a leftover that is seen than a root file system pulled away.
    if grep -qs "$home" /proc/[0-9]*/mountinfo; then echo "warning: $home is still in use" >&2; else rm -rf "$home"; fi
}
trap finish EXIT
trap 'exit 130' INT TERM HUP

# The template without its DHCP client, which raw LXC leaves without an answer, so that it never ends.
cat >"$home/template" <<'EOT'
#!/bin/sh
set -e
/usr/share/lxc/templates/lxc-busybox "$@"
for word; do case "$word" in --rootfs=*) root=${word#--rootfs=};; esac; done
sed -i '/udhcpc/d' "$root/etc/init.d/rcS"
EOT
chmod 755 "$home/template"
{
    printf 'name: lkbench\ncontainers:\n'
    for number in $(seq 1 "$count"); do
        printf '  c%s:\n    template: {name: %s}\n    links: ["c1:first"]\n    ports: ["%s:80", "%s:81", "%s:82/udp"]\n' \
            "$number" "$home/template" $((20000 + number)) $((21000 + number)) $((22000 + number))
    done
} >"$home/project/locker.yaml"
{
    printf 'name: lkplan\ncontainers:\n'
    for number in $(seq 1 500); do
        printf '  c%s:\n    template: {name: busybox}\n    links: ["c%s:peer"]\n    ports: ["%s:80"]\n' \
            "$number" $((number % 500 + 1)) $((23000 + number))
    done
} >"$home/plan/locker.yaml"

# took NAME COMMAND…: adds the seconds of a command to NAME's; its output is shown only when it fails.
took() {
    local name=$1 begun=$EPOCHREALTIME
    shift
    if ! "$@" >"$home/out" 2>&1; then
        echo "error: \`$*\` failed:" >&2
        tail -n 20 "$home/out" >&2
        exit 1
    fi
    awk -v a="$begun" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.4f\n", b - a }' >>"$home/numbers/$name"
}
# both NAME: the raw form and locker's; the one that went second goes first in the next round.
both() {
    if [ $((round % 2)) = 1 ]; then "raw_$1"; "our_$1"; else "our_$1"; "raw_$1"; fi
}
each() { seq 1 "$count" | xargs -P2 -I{} "$@"; }

raw_create() { took create.raw each lxc-create -P "$home/raw" -n lkraw_{} -t "$home/template"; }
our_create() { took create.our locker create; }
raw_start() {
    for number in $(seq 1 "$count"); do
        sed -i '/^lxc.net/d' "$home/raw/lkraw_$number/config"
        printf 'lxc.net.0.type = veth\nlxc.net.0.link = %s\nlxc.net.0.flags = up\n' $bridge >>"$home/raw/lkraw_$number/config"
    done
    took start.raw each lxc-start -P "$home/raw" -n lkraw_{}
}
our_start() {
    took start.our locker start
    [ "$(lxc-ls -P "$home/lxc" --running -1 | wc -l)" = "$count" ] || die "not all containers run"
}
raw_stop() { took stop.raw lxc-stop -P "$home/raw" -n lkraw_1; }
our_stop() { took stop.our locker stop; }
raw_rm() {
    each lxc-stop -k -P "$home/raw" -n lkraw_{} >/dev/null 2>&1 || true # the first is stopped already
    took rm.raw each lxc-destroy -P "$home/raw" -n lkraw_{}
}
our_rm() { took rm.our locker rm --yes; }
monitors() { # the largest resident set of a process of this binary, in MiB
    local rss=0 kib pid
    for pid in /proc/[0-9]*; do
        [ "$(readlink "$pid/exe" 2>/dev/null)" = "$LOCKER" ] || continue
        kib=$(awk '/^VmRSS/ { print $2 }' "$pid/status" 2>/dev/null || echo 0)
        [ "${kib:-0}" -le "$rss" ] || rss=$kib
    done
    [ "$rss" -gt 0 ] || die "no container has a monitor of this binary"
    awk -v k="$rss" 'BEGIN { printf "%.2f\n", k / 1024 }' >>"$home/numbers/monitor.our"
}
plan() { (cd "$home/plan" && exec "$LOCKER" --state-dir "$home/state" --lxcpath "$home/lxc" plan); }

ip link add $bridge type bridge
ip link set $bridge up
begun_load=$(cut -d' ' -f1 /proc/loadavg)
echo "$count containers, $(nproc) cores, load $begun_load, $("$LOCKER" --version), medians of $rounds rounds"
for round in $(seq 1 "$rounds"); do
    both create
    both start
    for _ in 1 2 3; do
        took status.our locker status
        took nothing.our locker up
        took help.our "$LOCKER" --help
        took plan.our plan
    done
    monitors
    sleep 2 # a busybox init does not hear a stop in its first second
    both stop
    both rm
done

rows=() broken=0
median() { sort -n "$1" | awk '{ v[NR] = $1 } END { printf "%.4f", v[int((NR + 1) / 2)] }'; }
# row NAME KEY LIMIT: with raw numbers the median of the rounds' ratios counts, else the median itself.
row() {
    local our="$home/numbers/$2.our" raw="$home/numbers/$2.raw" value base=null counts met=true word
    value=$(median "$our") counts=$value
    if [ -e "$raw" ]; then
        base=$(median "$raw")
        paste "$our" "$raw" | awk '{ print $1 / $2 }' >"$home/ratios"
        counts=$(median "$home/ratios")
    fi
    awk -v r="$counts" -v l="$3" 'BEGIN { exit !(r <= l) }' || { met=false; broken=1; }
    [ $met = true ] && word=yes || word=no
    printf '%-36s %10s %10s %10s %7s  %s\n' "$1" "$value" "${base/null/-}" "$counts" "$3" "$word"
    rows+=("{\"name\":\"$1\",\"value\":$value,\"base\":$base,\"counts\":$counts,\"limit\":$3,\"met\":$met,\"all\":[$(paste -sd, "$our")]}")
}
printf '%-36s %10s %10s %10s %7s  %s\n' what value raw counts limit met
row "create / raw, two at a time" create 1.15
row "start / raw, two at a time" start 1.5
row "clean stop of all / one raw" stop 1.3
row "rm / raw, two at a time" rm 1.5
row "status, seconds" status 0.1
row "up with nothing to do, seconds" nothing 0.2
row "--help, seconds" help 0.010
row "largest monitor, MiB" monitor 3
row "plan of 500 containers, seconds" plan 0.1

mkdir -p target
{
    printf '{"containers":%s,"rounds":%s,"cores":%s,"load":%s,"results":[' "$count" "$rounds" "$(nproc)" "$begun_load"
    (IFS=,; printf '%s' "${rows[*]}")
    printf ']}\n'
} >target/bench.json
echo "written to target/bench.json"
exit $broken
