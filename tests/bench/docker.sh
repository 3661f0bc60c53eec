#!/usr/bin/env bash
# Measures locker beside the raw engine interface and docker-compose 2.26, in one run on one test host.
#
# Usage: tests/bench/docker.sh [COUNT [MANY [ROUNDS]]]   as root; 30, 200 and 3 unless given
# LOCKER=PATH measures that binary instead of building the optimised one.
# Prints a table and writes target/bench-docker.json; exits with 1 when a limit of issue 4 is broken.
# Never part of the tests: it says numbers. dockerd runs inside the test host only, never on this machine.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/../.."
here=$PWD
die() { echo "error: $*" >&2; exit 1; }
[ "$(id -u)" = 0 ] || die "a test host needs root"
count=${1:-30} many=${2:-200} rounds=${3:-3}
for word in "$count" "$many" "$rounds"; do [[ $word =~ ^[0-9]+$ ]] || die "\`$word\` is no count"; done

cache=/var/cache/locker-tests
rootfs=$(ls -dt $cache/*/rootfs 2>/dev/null | head -n 1)
[ -n "$rootfs" ] || die "no test host was made yet; make one: cargo nextest run --test host -E 'test(/itself/)'"

# The peer is one static binary of Debian trixie's package; the lists are kept apart from this machine's.
compose=$cache/peers/docker-compose-2.26
fetch_compose() {
    local dir options
    dir=$(mktemp -d /var/tmp/locker-peer.XXXXXX)
    mkdir -p "$dir/lists/partial" "$dir/cache/archives/partial" "$cache/peers"
    echo 'deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian trixie main' >"$dir/list"
    options=(-o "Dir::Etc::sourcelist=$dir/list" -o Dir::Etc::sourceparts=/dev/null
        -o "Dir::State::lists=$dir/lists" -o "Dir::Cache=$dir/cache" -o APT::Sandbox::User=root)
    apt-get -qq "${options[@]}" update
    (cd "$dir" && apt-get -qq "${options[@]}" download docker-compose && dpkg -x docker-compose_2.26*.deb x)
    install -m 755 "$(find "$dir/x" -type f -name docker-compose | head -n 1)" "$compose"
    rm -rf "$dir"
}
[ -x $compose ] || fetch_compose

if [ -z "${LOCKER:-}" ]; then
    cargo build --release --locked
    LOCKER=$(cargo metadata --format-version 1 --no-deps | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')/release/locker
fi
[ -x "$LOCKER" ] || die "$LOCKER is no program"

# A place of its own, so that tests may run beside it (they have 0 to 7; hosts by hand 20 to 29).
number=30 name=lkt30
net=198.18.$number
[ ! -e /sys/class/net/$name ] || die "the bridge $name is there already: end that run first"
dir=$(mktemp -d /var/tmp/locker-bench-docker.XXXXXX)
finish() {
    trap - EXIT INT TERM HUP
    lxc-stop -k -P "$dir/lxc" -n $name 2>/dev/null || true
    umount "$dir/root" 2>/dev/null || true
    ip link delete $name 2>/dev/null || true
    # What still runs keeps its directory: better a leftover that is seen than a file system pulled away.
    if grep -qs "$dir" /proc/[0-9]*/mountinfo; then echo "warning: $dir is still in use" >&2; else rm -rf "$dir"; fi
}
trap finish EXIT
trap 'exit 130' INT TERM HUP

mkdir -p "$dir"/{upper,work,root,inner-lxc,inner-docker,lxc/$name}
mount -t overlay overlay -o "lowerdir=$rootfs,upperdir=$dir/upper,workdir=$dir/work" "$dir/root"
install -m 755 "$LOCKER" "$dir/root/usr/local/bin/locker"
install -m 755 $compose "$dir/root/usr/local/bin/docker-compose"
install -m 644 tests/bench/docker.py "$dir/root/root/docker.py"
# The settings of tests/host/machine.rs; the engine's data are not on the overlay, which it could not stack on.
# Its share of the processors is that of many: else one build beside it weighs as much as the whole host.
cat >"$dir/lxc/$name/config" <<EOT
lxc.cgroup.cpu.shares = 65536
lxc.cgroup2.cpu.weight = 10000
lxc.include = /usr/share/lxc/config/common.conf
lxc.include = /usr/share/lxc/config/nesting.conf
lxc.cap.drop =
lxc.cgroup.devices.allow = a
lxc.apparmor.profile = unconfined
lxc.mount.auto = proc:rw sys:rw cgroup:rw
lxc.mount.entry = $dir/inner-lxc var/lib/lxc none bind,create=dir 0 0
lxc.mount.entry = $dir/inner-docker var/lib/docker none bind,create=dir 0 0
lxc.environment = SYSTEMD_PROC_CMDLINE=systemd.unified_cgroup_hierarchy=1
lxc.rootfs.path = dir:$dir/root
lxc.uts.name = testhost
lxc.tty.max = 0
lxc.net.0.type = veth
lxc.net.0.link = $name
lxc.net.0.veth.pair = $name-host
lxc.net.0.flags = up
lxc.net.0.name = eth0
lxc.net.0.ipv4.address = $net.11/24
lxc.net.0.ipv4.gateway = $net.1
EOT
ip link add $name type bridge
ip address add $net.1/24 dev $name
ip link set $name up
lxc-start -P "$dir/lxc" -n $name
inside() {
    lxc-attach -P "$dir/lxc" -n $name --clear-env -v PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
        -v HOME=/root -v LC_ALL=C.UTF-8 -- "$@" </dev/null
}
for _ in $(seq 1 300); do
    [ "$(inside systemctl is-system-running 2>/dev/null)" = running ] && break
    sleep 0.1
done

# No registry can be reached: the image is made of the host's busybox. Its first process hears a SIGTERM,
# which a bare httpd as process 1 would not: all forms of a clean stop would only wait for their time limit.
inside bash -e -c '
systemctl unmask docker docker.socket containerd 2>/dev/null
systemctl start docker
d=$(mktemp -d)
mkdir -p $d/bin $d/www $d/tmp
cp /bin/busybox $d/bin/
for tool in $(/bin/busybox --list); do [ $tool = busybox ] || ln -s busybox $d/bin/$tool; done
echo hello >$d/www/index.html
printf "#!/bin/sh\ntrap \"exit 0\" TERM\nhttpd -f -p 80 -h /www &\nwait\n" >$d/bin/serve
chmod 755 $d/bin/serve
tar -C $d -c . | docker import --change "CMD [\"/bin/serve\"]" --change "ENV PATH=/bin" - busybox:test >/dev/null
rm -r $d'

status=0
inside python3 /root/docker.py "$count" "$many" "$rounds" || status=$?
[ ! -e "$dir/root/root/bench-docker.json" ] || { mkdir -p target && cp "$dir/root/root/bench-docker.json" "$here/target/"; }
exit $status
