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
. tests/bench/host.sh
[ "$(id -u)" = 0 ] || die "a test host needs root"
count=${1:-30} many=${2:-200} rounds=${3:-3}
for word in "$count" "$many" "$rounds"; do [[ $word =~ ^[0-9]+$ ]] || die "\`$word\` is no count"; done

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
    install -m 755 "$(find "$dir/x" -type f -perm -u+x -name docker-compose | head -n 1)" "$compose"
    rm -rf "$dir"
}
[ -x $compose ] || fetch_compose

need_locker
start_host
install -m 755 $compose "$dir/root/usr/local/bin/docker-compose"
install -m 644 tests/bench/docker.py "$dir/root/root/docker.py"

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
