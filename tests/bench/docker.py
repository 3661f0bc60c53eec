"""Run by docker.sh inside a test host: measures the raw engine interface, docker-compose (2.26 and 1.29) and locker.

Each round does every form one after the other and the next round begins with another one, so that what else
the machine does meets all of them; the median of the rounds' ratios counts. Standard library only.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time

COUNT, MANY, ROUNDS = (int(word) for word in sys.argv[1:4])
IMAGE = "busybox:test"
NUMBERS = {}


def note(key, value):
    NUMBERS.setdefault(key, []).append(value)
    print(f"{key} {value:.3f}", file=sys.stderr, flush=True)


def measured(form, down):
    """Does `form`, which notes its numbers. An engine that has miscounted a network does not let go of it until it is
    restarted, whoever asks: then the form is done once more, after `down`."""
    before = {key: len(values) for key, values in NUMBERS.items()}
    while True:
        try:
            return form()
        except SystemExit as failed:
            if "has active endpoints" not in str(failed):
                raise
        print("the engine has miscounted a network: it is restarted, once more", file=sys.stderr, flush=True)
        for key, values in NUMBERS.items():
            del values[before.get(key, 0) :]
        subprocess.run(["systemctl", "restart", "docker"], check=True)
        down()


# --- the raw interface -------------------------------------------------------------------------------


class Wire:
    """One kept connection to the engine: a request is a write, an answer a read up to its end."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect("/run/docker.sock")
        self.rest = b""

    def more(self):
        got = self.socket.recv(65536)
        if not got:
            raise SystemExit("error: the engine closed the connection")
        self.rest += got

    def until(self, end):
        while end not in self.rest:
            self.more()
        head, self.rest = self.rest.split(end, 1)
        return head

    def take(self, length):
        while len(self.rest) < length:
            self.more()
        body, self.rest = self.rest[:length], self.rest[length:]
        return body

    def ask(self, method, path, body=None):
        data = b"" if body is None else json.dumps(body).encode()
        head = f"{method} /v1.41{path} HTTP/1.1\r\nHost: docker\r\nContent-Type: application/json\r\n"
        self.socket.sendall(head.encode() + b"Content-Length: %d\r\n\r\n" % len(data) + data)
        lines = self.until(b"\r\n\r\n").decode().lower().split("\r\n")
        status = int(lines[0].split()[1])
        fields = dict(line.split(": ", 1) for line in lines[1:] if ": " in line)
        answer = b""
        if fields.get("transfer-encoding") == "chunked":
            while length := int(self.until(b"\r\n"), 16):
                answer += self.take(length)
                self.take(2)
            self.take(2)
        elif status != 204:
            answer = self.take(int(fields.get("content-length", "0")))
        if status >= 400:
            raise SystemExit(f"error: {method} {path}: {status} {answer.decode()}")
        return answer


def each(at_once, work):
    """Does `work` for every number, `at_once` side by side, each on a connection of its own."""
    left, lock, failed = list(range(COUNT, 0, -1)), threading.Lock(), []

    def worker():
        try:
            wire = Wire()
            while True:
                with lock:
                    if not left:
                        return
                    number = left.pop()
                work(wire, number)
        except BaseException as error:  # told by the caller, or the thread would end unheard
            failed.append(error)

    threads = [threading.Thread(target=worker) for _ in range(at_once)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    if failed:
        raise failed[0]


def raw_create(wire, number):
    wire.ask(
        "POST",
        f"/containers/create?name=raw_{number}",
        {
            "Image": IMAGE,
            "ExposedPorts": {"80/tcp": {}},
            "HostConfig": {
                "NetworkMode": "raw",
                "PortBindings": {"80/tcp": [{"HostPort": str(20000 + number)}]},
            },
        },
    )
    wire.ask("POST", f"/containers/raw_{number}/start")


def raw_remove(wire, number):
    wire.ask("POST", f"/containers/raw_{number}/stop?t=10")
    wire.ask("DELETE", f"/containers/raw_{number}")


# With both protocols the engine runs itself more often for each start and stop.
BOTH = {"EnableIPv6": True, "IPAM": {"Config": [{"Subnet": "10.77.0.0/24"}, {"Subnet": "fd77::/64"}]}}


def raw_up(at_once, network={}):
    begun = time.monotonic()
    Wire().ask("POST", "/networks/create", {"Name": "raw", "Driver": "bridge", **network})
    each(at_once, raw_create)
    return time.monotonic() - begun


def raw_clear():
    """Whatever is left of the raw form."""
    for container in left():
        Wire().ask("DELETE", f"/containers/{container}?force=1")
    Wire().ask("DELETE", "/networks/raw")


def raw_down(at_once):
    begun = time.monotonic()
    each(at_once, raw_remove)
    while True:
        try:
            Wire().ask("DELETE", "/networks/raw")
            return time.monotonic() - begun
        except SystemExit as refused:
            # The engine lets go of an endpoint a moment after it has answered that the container is gone.
            if "has active endpoints" not in str(refused) or time.monotonic() - begun > 60:
                raise
            time.sleep(0.01)


# --- the programs ------------------------------------------------------------------------------------


def run(directory, *command):
    """Runs a command that must succeed: its seconds and the peak of its resident memory in MiB."""
    out = open("/root/out", "wb")
    begun = time.monotonic()
    child = subprocess.Popen(command, cwd=directory, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
    _, status, used = os.wait4(child.pid, 0)
    took = time.monotonic() - begun
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        with open("/root/out", errors="replace") as text:
            raise SystemExit(f"error: {command} in {directory} ended with {child.returncode}:\n{text.read()[-4000:]}")
    return took, used.ru_maxrss / 1024


def run_down(directory, *command):
    """The same for a peer's way down: docker-compose gives up when the engine has not let go of an endpoint
    yet, and needs to be told once more. The seconds of all its tries count."""
    begun = time.monotonic()
    while True:
        try:
            run(directory, *command)
            return time.monotonic() - begun
        except SystemExit as failed:
            if "has active endpoints" not in str(failed) or time.monotonic() - begun > 60:
                raise


# A network with both protocols, for either program.
BOTH_YAML = "networks: {default: {enable_ipv6: true, ipam: {config: [{subnet: 10.78.0.0/24}, {subnet: 'fd78::/64'}]}}}"


def project(name, count, base, *own):
    """A Compose file of `count` services with a port each, read by all programs. Without lines of its own it
    has no name but that of its directory: the older docker-compose knows no `name`."""
    directory = f"/root/{name}"
    os.makedirs(directory)
    lines = [*own, "services:"]
    for number in range(1, count + 1):
        lines += [f"  c{number}:", f"    image: {IMAGE}", f'    ports: ["{base + number}:80"]']
    with open(f"{directory}/compose.yaml", "w") as file:
        file.write("\n".join(lines) + "\n")
    return directory


# The older docker-compose asks for everything at once; the engine may take minutes over that at times.
os.environ["COMPOSE_HTTP_TIMEOUT"] = "600"


def compose(program):
    return (program, "up", "-d"), (program, "down"), (program, "ps")


COMPOSE, COMPOSE1 = compose("docker-compose-2"), compose("docker-compose-1")
LOCKER = ("locker", "up"), ("locker", "down", "--yes"), ("locker", "status")


def serves(port):
    """Whether a container answers on its published port: what is up must work."""
    for address in ("198.18.30.11", "127.0.0.1"):
        try:
            with socket.create_connection((address, port), 2) as link:
                link.sendall(b"GET / HTTP/1.0\r\n\r\n")
                if b"hello" in link.recv(4096) + link.recv(4096):
                    return True
        except OSError:
            pass
    return False


def program(key, commands, directory, base):
    """From nothing to up, looks at what is up, and down again."""
    up, down, status = commands
    took, rss = run(directory, *up)
    note(f"up.{key}", took)
    note(f"rss.{key}", rss)
    if not serves(base + 1) or not serves(base + COUNT):
        raise SystemExit(f"error: {key} is up, but a published port does not answer")
    for _ in range(3):
        note(f"nothing.{key}", run(directory, *up)[0])
        note(f"status.{key}", run(directory, *status)[0])
    note(f"down.{key}", run_down(directory, *down))


def left():
    """Containers that are there."""
    return subprocess.run(["docker", "ps", "-aq"], capture_output=True, text=True).stdout.split()


# --- the run -----------------------------------------------------------------------------------------


def fastest(network):
    """How many raw requests side by side are the fastest here. The first, cold run is overwritten; all at
    once takes the engine twice as long as eight, so it is not tried."""
    best = {}

    def form():
        for at_once in (8, 2, 4, 8):
            best[at_once] = (raw_up(at_once, network), raw_down(at_once))

    measured(form, raw_clear)
    return min(best, key=lambda n: best[n][0]), min(best, key=lambda n: best[n][1])


def rounds():
    at_once, at_once6 = fastest({}), fastest(BOTH)
    compose = project("peer", COUNT, 21000)
    compose6 = project("peer6", COUNT, 25000, BOTH_YAML)
    compose1 = project("peer1", COUNT, 27000)
    plain = project("plain", COUNT, 22000, "supervisor: none")
    plain6 = project("plain6", COUNT, 26000, "supervisor: none", "network: {enable_ipv6: true}")
    units = project("units", COUNT, 23000, "supervisor: systemd")

    def raw(key, at_once, network):
        def form():
            note(f"up.{key}", raw_up(at_once[0], network))
            note(f"down.{key}", raw_down(at_once[1]))

        return form, raw_clear

    def by(key, commands, directory, base):
        return lambda: program(key, commands, directory, base), lambda: run(directory, *commands[1])

    forms = [
        raw("raw", at_once, {}),
        raw("raw6", at_once6, BOTH),
        by("compose", COMPOSE, compose, 21000),
        by("compose6", COMPOSE, compose6, 25000),
        by("compose1", COMPOSE1, compose1, 27000),
        by("locker", LOCKER, plain, 22000),
        by("locker6", LOCKER, plain6, 26000),
        by("units", LOCKER, units, 23000),
    ]
    for number in range(ROUNDS):
        for form, down in forms[number % len(forms) :] + forms[: number % len(forms)]:
            measured(form, down)
            if left():
                raise SystemExit(f"error: containers are left: {left()}")
    for directory in (compose, compose6, compose1, plain, plain6, units):
        shutil.rmtree(directory)
    return at_once


def many():
    """What looks cost when there is much to look at; made once for each program."""
    for key, commands, own in (("compose", COMPOSE, ()), ("locker", LOCKER, ("supervisor: none",))):
        up, down, status = commands
        directory = project(f"many-{key}", MANY, 24000, *own)

        def form():
            note(f"up-many.{key}", run(directory, *up)[0])
            for _ in range(5):
                note(f"nothing-many.{key}", run(directory, *up)[0])
                note(f"status-many.{key}", run(directory, *status)[0])
            note(f"down-many.{key}", run_down(directory, *down))

        measured(form, lambda: run(directory, *down))


def median(values):
    return sorted(values)[len(values) // 2]


ROWS = []


def row(what, key, base, limit):
    """With a base the median of the rounds' ratios counts, else the median itself."""
    value, other, counts = median(NUMBERS[key]), None, None
    counts = value
    if base:
        other = median(NUMBERS[base])
        # Looks are too short to be paired one by one; changes are paired by their round.
        paired = [a / b for a, b in zip(NUMBERS[key], NUMBERS[base])]
        counts = median(paired) if len(paired) == ROUNDS else value / other
    met = limit is None or counts <= limit
    word = "-" if limit is None else "yes" if met else "NO"
    shown = "-" if other is None else f"{other:.3f}"
    print(f"{what:44} {value:9.3f} {shown:>9} {counts:8.2f} {limit if limit is not None else '-':>6}  {word}")
    ROWS.append({"what": what, "value": value, "base": other, "counts": counts, "limit": limit, "met": met})


def main():
    load = os.getloadavg()[0]
    version = subprocess.run(["locker", "--version"], capture_output=True, text=True).stdout.strip()
    print(f"{COUNT} and {MANY} containers, {os.cpu_count()} cores, load {load:.1f}, {version}, {ROUNDS} rounds")
    at_once = rounds()
    if MANY:
        many()
    print(f"raw: {at_once[0]} side by side for up, {at_once[1]} for down; load at the end {os.getloadavg()[0]:.1f}")
    print(f"{'what':44} {'value':>9} {'base':>9} {'counts':>8} {'limit':>6}  met")
    for verb in ("up", "down"):
        row(f"{verb} / raw", f"{verb}.locker", f"{verb}.raw", 1.05)
        row(f"{verb} / compose", f"{verb}.locker", f"{verb}.compose", 1.0)
        row(f"{verb} / raw, with IPv6", f"{verb}.locker6", f"{verb}.raw6", 1.05)
        row(f"{verb} / compose, with IPv6", f"{verb}.locker6", f"{verb}.compose6", 1.0)
    row("up with nothing to do / compose", "nothing.locker", "nothing.compose", 0.5)
    row("status / compose ps", "status.locker", "status.compose", 0.5)
    for what, key in (("up", "up"), ("down", "down"), ("up with nothing to do", "nothing"), ("status", "status")):
        row(f"{what} / compose 1.29", f"{key}.locker", f"{key}.compose1", 1.0)
    if MANY:
        row(f"up with nothing to do, {MANY} / compose", "nothing-many.locker", "nothing-many.compose", 0.25)
        row(f"status, {MANY} / compose ps", "status-many.locker", "status-many.compose", 0.25)
        row(f"up, {MANY} / compose", "up-many.locker", "up-many.compose", None)
        row(f"down, {MANY} / compose", "down-many.locker", "down-many.compose", None)
    row("peak memory of up, MiB", "rss.locker", None, 25)
    row("under systemd: up / raw", "up.units", "up.raw", 1.15)
    row("under systemd: up / compose", "up.units", "up.compose", 1.15)
    row("under systemd: down / raw", "down.units", "down.raw", 1.15)
    row("under systemd: down / compose", "down.units", "down.compose", 1.15)
    row("under systemd: nothing to do / compose", "nothing.units", "nothing.compose", None)
    row("under systemd: status / compose ps", "status.units", "status.compose", None)
    with open("/root/bench-docker.json", "w") as file:
        json.dump({"count": COUNT, "many": MANY, "rounds": ROUNDS, "load": load, "rows": ROWS, "all": NUMBERS}, file)
    return 0 if all(line["met"] for line in ROWS) else 1


sys.exit(main())
