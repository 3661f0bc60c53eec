#!/usr/bin/env bash
# Reboots a test host again and again and checks each time that exactly what starts with the host runs, with its
# ports: containers of both kinds, enabled, disabled and on demand, and a boot without an ordering cycle.
#
# Usage: tests/bench/reboots.sh [COUNT]   as root; 20 unless given
# LOCKER=PATH takes that binary instead of building the optimised one.
# Prints a line for each boot and exits with 1 when one was wrong. Never part of the tests: it takes minutes.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/../.."
. tests/bench/host.sh
[ "$(id -u)" = 0 ] || die "a test host needs root"
count=${1:-20}
[[ $count =~ ^[0-9]+$ ]] || die "\`$count\` is no count"
need_locker
start_host
mkdir -p "$dir/root/srv/boots"
cat >"$dir/root/srv/boots/locker.yaml" <<'YAML'
name: boots
containers:
  lxc-on: &serves
    template: busybox
    autostart: true
    post_start: [{command: [sh, -c, "mkdir -p /www; echo well > /www/index.html; httpd -p 80 -h /www"]}]
    ports: ["8001:80"]
  lxc-off: {template: busybox, ports: ["8002:80"]}
  lxc-wait: {<<: *serves, on_demand: true, ports: ["8003:80"]}
  lxc-rest: {<<: *serves, autostart: false, on_demand: true, ports: ["8004:80"]}
  app-on: {image: busybox:test, autostart: true, stop_grace_period: 0s, ports: ["8011:80"]}
  app-off: {image: busybox:test, stop_grace_period: 0s, ports: ["8012:80"]}
  app-wait: {image: busybox:test, autostart: true, on_demand: true, stop_grace_period: 0s, ports: ["8013:80"]}
  app-rest: {image: busybox:test, autostart: false, on_demand: true, stop_grace_period: 0s, ports: ["8014:80"]}
YAML
start_engine
inside bash -c 'cd /srv/boots && locker up --quiet'
cat >"$dir/root/root/right.sh" <<'SH'
wrong() { echo "$*"; exit 1; }
code() { curl -s -o /dev/null --noproxy '*' --max-time 60 "http://127.0.0.1:$1/"; echo $?; }
for name in lxc-on app-on; do
    systemctl -q is-active "locker-boots-${name/-/\\x2d}.service" || wrong "$name does not run"
done
for name in lxc-off app-off lxc-rest app-rest; do
    ! systemctl -q is-active "locker-boots-${name/-/\\x2d}.service" || wrong "$name runs"
done
systemctl -q is-active locker-network.service || wrong "locker-network.service does not run"
systemctl -q is-active sockets.target || wrong "sockets.target is not reached"
# A boot waits for no container; its ports come with it, a moment after its service.
for port in 8001 8011; do
    for _ in $(seq 300); do
        rules=$(nft list ruleset 2>/dev/null)
        grep -q "\b$port\b" <<<"$rules" && continue 2
        sleep 0.1
    done
    wrong "port $port is not published"
done
for port in 8002 8012; do ! grep -q "\b$port\b" <<<"$rules" || wrong "port $port is published"; done
# What is on demand and disabled is held for nobody after a boot.
for port in 8004 8014; do [ "$(code $port)" != 0 ] || wrong "port $port answers"; done
# A caller is held until the container serves, at most a minute: on a loaded machine that takes its time.
for port in 8001 8003 8011 8013; do
    got=$(code $port)
    [ "$got" = 0 ] || wrong "port $port does not answer (curl: $got)"
done
! journalctl -b -q | grep -i 'ordering cycle' || wrong "an ordering cycle"
[ -z "$(systemctl --failed --no-legend)" ] || wrong "$(systemctl --failed --no-legend)"
SH
good=0
for boot in $(seq "$count"); do
    reboot_host
    if said=$(inside bash /root/right.sh 2>&1); then
        good=$((good + 1)); echo "boot $boot: right"
    else
        echo "boot $boot: $said"
    fi
done
echo "$good of $count boots right"
[ "$good" = "$count" ]
