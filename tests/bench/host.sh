# A test host for measurements, as tests/host/machine.rs builds them: sourced by the scripts beside it.
#
# `need_locker` sets LOCKER to an optimised binary; `start_host` boots the host in $dir and takes it away at
# the end of the script, however that ends; `inside` runs a command in it; `start_engine` starts its Docker engine
# with an image; `reboot_host` boots it once more.

die() { echo "error: $*" >&2; exit 1; }
cache=/var/cache/locker-tests
# Beside the test hosts' own there are file systems for containers in them, which have no engine, and one of Debian 13 for
# VMs, whose systemd does not boot on this machine's cgroups.
newest_rootfs() {
    local engine root
    for engine in $(ls -dt $cache/*/rootfs/usr/sbin/dockerd 2>/dev/null); do
        root=${engine%/usr/sbin/dockerd}
        if grep -qs '^VERSION_CODENAME=bookworm' "$root/etc/os-release"; then echo "$root"; return; fi
    done
}
rootfs=$(newest_rootfs)
# The tests' own scenario of a test host makes what all of them stand on, once.
[ -n "$rootfs" ] || LOCKER_REQUIRE=kernel,host cargo test --locked --quiet --test host itself:: >&2
[ -n "$rootfs" ] || rootfs=$(newest_rootfs)
[ -n "$rootfs" ] || die "no test host could be made; tests/run.sh says why"

need_locker() {
    if [ -z "${LOCKER:-}" ]; then
        cargo build --release --locked
        LOCKER=$(cargo metadata --format-version 1 --no-deps | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')/release/locker
    fi
    [ -x "$LOCKER" ] || die "$LOCKER is no program"
}

# A place of its own, so that tests may run beside it (they have 0 to 7; hosts by hand 20 to 29); another
# measurement at the same time takes another number up to 39 (LOCKER_BENCH_HOST).
number=${LOCKER_BENCH_HOST:-30}
name=lkt$number
net=198.18.$number

finish() {
    trap - EXIT INT TERM HUP
    lxc-stop -k -P "$dir/lxc" -n $name 2>/dev/null || true
    umount "$dir/root" 2>/dev/null || true
    ip link delete $name 2>/dev/null || true
    # What still runs keeps its directory: better a leftover that is seen than a file system pulled away.
    if grep -qs "$dir" /proc/[0-9]*/mountinfo; then echo "warning: $dir is still in use" >&2; else rm -rf "$dir"; fi
}

start_host() {
    [ ! -e /sys/class/net/$name ] || die "the bridge $name is there already: end that run first"
    dir=$(mktemp -d /var/tmp/locker-bench.XXXXXX)
    trap finish EXIT
    trap 'exit 130' INT TERM HUP
    mkdir -p "$dir"/{upper,work,root,inner-lxc,inner-docker,lxc/$name}
    mount -t overlay overlay -o "lowerdir=$rootfs,upperdir=$dir/upper,workdir=$dir/work" "$dir/root"
    install -m 755 "$LOCKER" "$dir/root/usr/local/bin/locker"
    settings >"$dir/lxc/$name/config"
    ip link add $name type bridge
    ip address add $net.1/24 dev $name
    ip link set $name up
    boot_host
}

# boot_host [SECONDS]: until all that starts at boot runs, at most so long; 30 unless given.
boot_host() {
    lxc-start -P "$dir/lxc" -n $name
    for _ in $(seq 1 $((${1:-30} * 10))); do
        [ "$(inside systemctl is-system-running 2>/dev/null)" = running ] && return
        sleep 0.1
    done
    die "the test host does not come up"
}

# reboot_host [SECONDS]: as a person would; a shutdown has as long as the boot.
reboot_host() {
    lxc-stop -P "$dir/lxc" -n $name -t "${1:-60}"
    boot_host "${1:-30}"
}

# The settings of tests/host/machine.rs; the engine's data are not on the overlay, which it could not stack on.
# It has no larger share of the processors than others: with one, what spins in it for the kernel's network lock keeps
# the kernel's own threads from running, which those who hold the lock wait for, and all stands still for a minute.
settings() {
    cat <<EOT
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
}

inside() {
    lxc-attach -P "$dir/lxc" -n $name --clear-env -v PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
        -v HOME=/root -v LC_ALL=C.UTF-8 -- "$@" </dev/null
}

# The engine, started at boot from now on, and the image `busybox:test`: a shell and a page on port 80. No registry can
# be reached, so that it is made of the host's busybox. Its first process hears a SIGTERM, which a bare httpd as
# process 1 would not: all forms of a clean stop would only wait for their time limit.
start_engine() {
    inside bash -euc '
        systemctl unmask -q docker docker.socket containerd
        systemctl start docker
        systemctl -q enable docker
        d=$(mktemp -d)
        mkdir -p $d/bin $d/www $d/tmp
        cp /bin/busybox $d/bin/
        for tool in $(/bin/busybox --list); do [ $tool = busybox ] || ln -s busybox $d/bin/$tool; done
        echo hello >$d/www/index.html
        printf "#!/bin/sh\ntrap \"exit 0\" TERM\nhttpd -f -p 80 -h /www &\nwait\n" >$d/bin/serve
        chmod 755 $d/bin/serve
        tar -C $d -c . | docker import --change "CMD [\"/bin/serve\"]" --change "ENV PATH=/bin" - busybox:test >/dev/null
        rm -r $d'
}
