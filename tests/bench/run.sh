#!/usr/bin/env bash
# Measures locker beside raw LXC in the same run, on 30 busybox containers with 3 ports each.
#
# Usage: tests/bench/run.sh [COUNT]     as root; prints a table and writes target/bench.json
# LOCKER=PATH measures that binary instead of building the optimised one.
# Never part of the tests: it says numbers, and exits with 1 when a limit of issue 2 is broken.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/../.."
[ "$(id -u)" = 0 ] || { echo "error: raw LXC needs root" >&2; exit 1; }
count=${1:-30}
if [ -z "${LOCKER:-}" ]; then
    cargo build --release --locked
    LOCKER=$(cargo metadata --format-version 1 --no-deps | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')/release/locker
fi
LOCKER=$(readlink -f "$LOCKER")

home=$(mktemp -d /var/tmp/locker-bench.XXXXXX)
bridge=lkbench0
mkdir "$home/raw" "$home/project" "$home/lxc" "$home/plan"
locker() { (cd "$home/project" && "$LOCKER" --state-dir "$home/state" --lxcpath "$home/lxc" "$@"); }
finish() {
    status=$?
    locker down --yes >/dev/null 2>&1 || true
    for dir in "$home"/raw/*/; do
        [ -e "$dir/config" ] && lxc-destroy -f -P "$home/raw" -n "$(basename "$dir")" >/dev/null 2>&1
    done
    ip link delete $bridge 2>/dev/null
    # What still runs keeps its directory: better a leftover that is seen than a root file system pulled away.
    if [ "$status" = 0 ] || ! grep -qs "$home" /proc/self/mounts; then rm -rf "$home"; fi
    exit $status
}
trap finish EXIT
trap 'exit 130' INT TERM HUP

# The template without its DHCP client, which never ends and so can never be stopped cleanly.
cat >"$home/template" <<'EOT'
#!/bin/sh
set -e
/usr/share/lxc/templates/lxc-busybox "$@"
for word; do case "$word" in --rootfs=*) root=${word#--rootfs=};; esac; done
sed -i '/udhcpc/d' "$root/etc/init.d/rcS"
EOT
chmod 755 "$home/template"

rows=() broken=0
die() { echo "error: $*" >&2; exit 1; }
# took COMMAND…: seconds of a command, in $seconds; its output is shown only when it fails.
took() {
    local begun=$EPOCHREALTIME
    if ! "$@" >"$home/out" 2>&1; then
        echo "error: \`$*\` failed:" >&2
        tail -n 20 "$home/out" >&2
        exit 1
    fi
    seconds=$(awk -v a="$begun" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.4f", b - a }')
}
# row NAME VALUE BASE LIMIT: value against limit; with a base, value / base against limit.
row() {
    local ratio met=yes
    ratio=$(awk -v v="$2" -v b="${3:-1}" 'BEGIN { printf "%.3f", v / b }')
    awk -v r="$ratio" -v l="$4" 'BEGIN { exit !(r <= l) }' || { met=no; broken=1; }
    printf '%-34s %12s %12s %9s %9s  %s\n' "$1" "$2" "${3:--}" "$ratio" "$4" "$met"
    rows+=("{\"name\":\"$1\",\"value\":$2,\"base\":${3:-null},\"ratio\":$ratio,\"limit\":$4,\"met\":$([ $met = yes ] && echo true || echo false)}")
}
each() { seq 1 "$count" | xargs -P2 -I{} "$@"; }
raw_create() { each lxc-create -P "$home/raw" -n b{} -t "$home/template"; }
raw_network() {
    ip link add $bridge type bridge
    ip link set $bridge up
    for number in $(seq 1 "$count"); do
        sed -i '/^lxc.net/d' "$home/raw/b$number/config"
        printf 'lxc.net.0.type = veth\nlxc.net.0.link = %s\nlxc.net.0.flags = up\n' $bridge >>"$home/raw/b$number/config"
    done
}
median() { # NAME COMMAND…: median of five runs
    local times=()
    for _ in 1 2 3 4 5; do took "$@"; times+=("$seconds"); done
    seconds=$(printf '%s\n' "${times[@]}" | sort -n | sed -n 3p)
}

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

echo "$count containers, $(nproc) cores, load $(cut -d' ' -f1 /proc/loadavg), $("$LOCKER" --version)"
printf '%-34s %12s %12s %9s %9s  %s\n' what value base ratio limit met

took raw_create; base=$seconds
took locker create; row "create / raw, two at a time" "$seconds" "$base" 1.15
raw_network
took each lxc-start -P "$home/raw" -n b{}; base=$seconds
took locker start
[ "$(lxc-ls -P "$home/lxc" --running -1 | wc -l)" = "$count" ] || die "not all containers run"
row "start / raw, two at a time" "$seconds" "$base" 1.5
median locker status; row "status, seconds" "$seconds" "" 0.1
median locker up; row "up with nothing to do, seconds" "$seconds" "" 0.2
median "$LOCKER" --help; row "--help, seconds" "$seconds" "" 0.010
rss=0
for pid in /proc/[0-9]*; do
    [ "$(readlink "$pid/exe" 2>/dev/null)" = "$LOCKER" ] || continue
    kib=$(awk '/^VmRSS/ { print $2 }' "$pid/status" 2>/dev/null || echo 0)
    [ "${kib:-0}" -le "$rss" ] || rss=$kib
done
[ "$rss" -gt 0 ] || die "no container has a monitor of this binary"
row "largest monitor, MiB" "$(awk -v k="$rss" 'BEGIN { printf "%.2f", k / 1024 }')" "" 3
sleep 2 # a busybox init does not hear a stop in its first second
took lxc-stop -P "$home/raw" -n b1; base=$seconds
took locker stop; row "clean stop of all / one raw" "$seconds" "$base" 1.3
each lxc-stop -k -P "$home/raw" -n b{} >/dev/null 2>&1 || true # b1 is stopped already
took each lxc-destroy -P "$home/raw" -n b{}; base=$seconds
took locker rm --yes; row "rm / raw, two at a time" "$seconds" "$base" 1.5
plan() { (cd "$home/plan" && "$LOCKER" --state-dir "$home/state" --lxcpath "$home/lxc" plan); }
median plan; row "plan of 500 containers, seconds" "$seconds" "" 0.1

mkdir -p target
{
    printf '{"containers":%s,"cores":%s,"results":[' "$count" "$(nproc)"
    (IFS=,; printf '%s' "${rows[*]}")
    printf ']}\n'
} >target/bench.json
echo "written to target/bench.json"
exit $broken
