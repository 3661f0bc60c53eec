"""Run by units.sh inside a test host: what supervision by systemd costs. Standard library only.

`work` makes a project of COUNT busybox system containers with and without systemd, in turn, and leaves the
supervised one enabled; `booted` is run after the host has booted again.
"""

import json
import os
import subprocess
import sys
import time

PHASE, COUNT, ROUNDS = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
NOTES = "/root/bench-units.json"


def run(directory, *command):
    """Runs a command that must succeed; its seconds."""
    begun = time.monotonic()
    done = subprocess.run(command, cwd=directory, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    took = time.monotonic() - begun
    if done.returncode != 0:
        raise SystemExit(f"error: {command} in {directory} ended with {done.returncode}:\n{done.stderr[-4000:]}")
    print(f"{' '.join(command)} {os.path.basename(directory)} {took:.3f}", file=sys.stderr, flush=True)
    return took


def project(name, supervisor):
    directory = f"/root/{name}"
    os.makedirs(directory)
    lines = [f"name: {name}", f"supervisor: {supervisor}", "containers:"]
    lines += [f"  c{number}: {{template: busybox}}" for number in range(1, COUNT + 1)]
    with open(f"{directory}/locker.yaml", "w") as file:
        file.write("\n".join(lines) + "\n")
    return directory


def median(values):
    return sorted(values)[len(values) // 2]


def resident():
    """For each container the resident memory, in KiB, of all processes that stand for it."""
    sums = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            words = open(f"/proc/{pid}/cmdline").read().split("\0")
            status = open(f"/proc/{pid}/status").read()
        except OSError:
            continue
        if "__supervise" in words[:2]:
            size = int(status.split("VmRSS:")[1].split()[0])
            sums.setdefault(words[3], []).append(size)
    return sums


def work():
    plain, units = project("plain", "none"), project("units", "systemd")
    ups = {plain: [], units: []}
    for number in range(ROUNDS):
        for directory in (plain, units) if number % 2 == 0 else (units, plain):
            ups[directory].append(run(directory, "locker", "up"))
            last = directory == units and number == ROUNDS - 1
            if not last:
                run(directory, "locker", "down", "--yes")
    time.sleep(12)
    sums = resident()
    starts = []
    for _ in range(ROUNDS):
        run(units, "locker", "stop")
        starts.append(run(units, "locker", "start"))
    run(units, "locker", "enable")
    notes = {
        "up": [a / b for a, b in zip(ups[units], ups[plain])],
        "up_plain": ups[plain],
        "start": starts,
        "resident": {name: sum(all) / 1024 for name, all in sums.items()},
        "processes": max((len(all) for all in sums.values()), default=0),
    }
    if len(sums) != COUNT:
        raise SystemExit(f"error: supervisors of {len(sums)} containers are there, not of {COUNT}")
    json.dump(notes, open(NOTES, "w"))


def shown(unit, key):
    done = subprocess.run(["systemctl", "show", "--value", "-p", key, unit], capture_output=True, text=True)
    return done.stdout.strip()


def booted():
    notes = json.load(open(NOTES))
    services = [f"locker-units-c{number}.service" for number in range(1, COUNT + 1)]
    deadline = time.monotonic() + 120
    while not all(shown(service, "ActiveState") == "active" for service in services):
        if time.monotonic() > deadline:
            raise SystemExit("error: not all containers came back with the host")
        time.sleep(0.5)
    ready = [int(shown(service, "ActiveEnterTimestampMonotonic")) for service in services]
    target = int(shown("basic.target", "ActiveEnterTimestampMonotonic"))
    boot = (max(ready) - target) / 1e6
    rows = [
        ("up, supervised / not", median(notes["up"]), 1.15),
        ("largest supervisor, MiB", max(notes["resident"].values()), 4),
        ("boot target to all ready / started by hand", boot / median(notes["start"]), 1.5),
    ]
    print(f"{COUNT} system containers, {ROUNDS} rounds; up {median(notes['up_plain']):.2f} s without systemd,")
    print(f"start by hand {median(notes['start']):.2f} s, boot {boot:.2f} s, {notes['processes']} processes each")
    for what, value, limit in rows:
        print(f"{what:44} {value:8.2f} {limit:6}  {'yes' if value <= limit else 'NO'}")
    return 0 if all(value <= limit for _, value, limit in rows) else 1


sys.exit({"work": work, "booted": booted}[PHASE]())
