"""Kills `locker` at random moments and looks whether the next run mends all of it. Runs inside a test host.

Usage: kills.py ROUNDS SEED SECONDS [REST]

Each round begins a command on a project of both kinds under systemd, kills it (SIGKILL) at a random moment and
runs `up` or `down` (at times its killed command once more): that must end with 0. After an `up` everything must
answer REST seconds later (10 unless given) and `plan` be empty; after a `down` nothing of the project may be left.
The same seed gives the same rounds; the moments within a command are as exact as the machine is.
Prints a line for each round and ends with 1 when one was bad; no round begins after SECONDS.
"""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
import urllib.request

NAME = "kills"
DIR = "/srv/kills"
# The next run has as long as all of its containers need to stop and to start again, and some more.
MOST = 180
PAGE = "httpd -f -p 80 -h /www"
ON_DEMAND = 8095

FILE = """name: kills
containers:
  db:
    template: busybox
    restart: always
    autostart: true
    healthcheck: {{test: "true", interval: 1s}}
    volumes: ["rows:/rows"]
  sys:
    template: busybox
    restart: on-failure
    links: [db]
    fqdn: {fqdn}
    post_start: [{{command: ["sh", "-c", "mkdir -p /www; echo well > /www/index.html; httpd -p 80 -h /www"]}}]
    ports: ["8094:80"]
  bare:
    template: busybox
    supervisor: none
  job:
    image: "busybox:test"
    command: ["sh", "-c", "echo {word}; sleep 0.2"]
    depends_on: {{db: {{condition: healthy}}}}
  api:
    image: "busybox:test"
    restart: always
    autostart: true
    command: {command}
    environment: {{WORD: "{word}"}}
    stop_grace_period: 2s
    healthcheck: {{test: "true", interval: 1s}}
    volumes: ["pages:/pages"]
    ports: ["{port}:80"]
    depends_on: {{job: {{condition: completed_successfully}}}}
  web:
    image: "busybox:test"
    restart: unless-stopped
    environment: {{WORD: "{word}"}}
    depends_on: {{api: {{condition: healthy}}}}
    links: [sys]
    post_start: [{{command: ["true"]}}]
    stop_grace_period: 3s
    ports: ["8092:80"]
  alone:
    image: "busybox:test"
    supervisor: none
    environment: {{WORD: "{word}"}}
    command: ["sh", "-c", "trap '' TERM; {page} & while :; do sleep 1; done"]
    stop_grace_period: 2s
    ports: ["8093:80"]
  call:
    image: "busybox:test"
    on_demand: true
    stop_grace_period: 1s
    environment: {{WORD: "{word}"}}
    ports: ["8095:80"]
"""


def write(turn):
    """The file in one of two forms, so that there is something to change."""
    odd = turn % 2
    text = FILE.format(
        fqdn="one.example.net" if odd else "two.example.net",
        word="odd" if odd else "even",
        port=8191 if odd else 8091,
        page=PAGE,
        command='["sh", "-c", "%s"]' % PAGE if odd else '["httpd", "-f", "-p", "80", "-h", "/www"]',
    )
    with open(DIR + "/locker.yaml", "w") as file:
        file.write(text)
    return [8191 if odd else 8091, 8092, 8093, 8094, 8095]


def sh(words, most=MOST):
    """Runs a command; its exit code and all that it printed. One that takes too long has the code 124."""
    ran = subprocess.Popen(words, cwd=DIR, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, text=True, start_new_session=True)
    try:
        out, _ = ran.communicate(timeout=most)
        return ran.returncode, out
    except subprocess.TimeoutExpired:
        os.killpg(ran.pid, signal.SIGKILL)
        out, _ = ran.communicate()
        return 124, out


def locker(words):
    return sh(["locker", *words.split()])


def killed(words, after):
    """Begins a command and kills it; whether it was still at work."""
    ran = subprocess.Popen(["locker", *words.split()], cwd=DIR, stdin=subprocess.DEVNULL,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        ran.wait(timeout=after)
        return False
    except subprocess.TimeoutExpired:
        ran.kill()
        ran.wait()
        return True


def own_address():
    return sh(["ip", "-o", "-4", "address", "show", "eth0"])[1].split()[3].split("/")[0]


def fetch(port):
    """From the host itself, by the address of its card: as others on it do."""
    # Who calls one on demand is held until it serves, at most a minute.
    most = 60 if port == ON_DEMAND else 2
    try:
        with urllib.request.urlopen("http://%s:%d/" % (own_address(), port), timeout=most) as page:
            return page.status == 200
    except OSError:
        return False


def faults_of_up(ports, rest):
    time.sleep(rest)
    bad = ["port %d does not answer" % port for port in ports if not fetch(port)]
    for name in ["db", "sys", "bare", "api", "web", "alone"]:
        code, out = locker("exec -T %s true" % name)
        if code != 0:
            bad.append("%s runs no command: %s" % (name, out.strip()))
    code, out = locker("plan --exit-code")
    if code != 0:
        bad.append("plan is not empty: %s" % out.strip())
    return bad


def faults_of_down():
    looks = {
        "containers of the engine": ["docker", "ps", "-aq", "--filter", "label=locker.project=" + NAME],
        "networks of the engine": ["docker", "network", "ls", "-q", "--filter", "label=locker.project=" + NAME],
        "root file systems": ["sh", "-c", "ls -d /var/lib/lxc/kills_* /var/lib/lxc/.kills_* 2>/dev/null || true"],
        "units": ["sh", "-c", "ls /etc/systemd/system | grep locker-kills || true"],
        "loaded units": ["sh", "-c", "systemctl list-units --all --plain --no-legend 'locker-kills*' || true"],
        "rules": ["sh", "-c", "nft list ruleset 2>/dev/null | grep -i locker.*kills || true"],
        "bridges": ["sh", "-c", "ip -o link | grep -E 'lk-?kills' || true"],
        "processes": ["sh", "-c", "ps -eo pid,args | grep '[l]ocker.*kills' || true"],
    }
    bad = []
    for what, words in looks.items():
        out = sh(words)[1].strip()
        if out:
            bad.append("%s are left: %s" % (what, out))
    return bad


# What is killed: the words, whether all is up before, whether the file changes, and about how long it takes.
COMMANDS = [
    ("up", False, False, 6.0), ("up", False, False, 6.0), ("up", True, True, 8.0), ("up", True, True, 8.0),
    ("stop", True, False, 4.0), ("restart", True, False, 8.0), ("restart api sys", True, False, 4.0),
    ("rm -y web sys", True, False, 4.0), ("down -y", True, False, 6.0), ("cleanup -y", True, False, 4.0),
    ("stop api db", True, False, 3.0), ("up -y --force-recreate", True, False, 8.0),
]


def main():
    rounds, seed, most = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    rest = float(sys.argv[4]) if len(sys.argv) > 4 else 10.0
    dice, begun, bad_rounds, hits, done = random.Random(seed), time.monotonic(), 0, 0, 0
    shutil.rmtree(DIR, ignore_errors=True)
    os.makedirs(DIR)
    for words, *_ in COMMANDS:
        # A mistyped one would be over at once, and every round with it good.
        if locker(words + " --help")[0] != 0:
            sys.exit("error: `locker %s` is no command" % words)
    turn = 0
    for number in range(1, rounds + 1):
        words, is_up, changes, usual = dice.choice(COMMANDS)
        after, follows, part = dice.uniform(0.005, usual), dice.random(), dice.random()
        if time.monotonic() - begun > most:
            print("no time for more rounds", flush=True)
            break
        ports = write(turn)
        before = ("up -y" if is_up else "stop" if part < 0.3 else "down -y")
        code, out = locker(before)
        if code != 0:
            # A fault of the round before that only shows now.
            print("%4d  BAD   `%s` before it ended with %d: %s" % (number, before, code, out.strip()), flush=True)
            bad_rounds += 1
            locker("down -y")
            locker(before)
        if changes:
            turn += 1
            ports = write(turn)
        hit = killed(words, after)
        hits += hit
        following = "up -y" if follows < 0.65 else "down -y" if follows < 0.9 else words
        code, out = locker(following)
        bad = ["`%s` ended with %d: %s" % (following, code, out.strip())] if code else []
        if not bad and following.startswith("up"):
            bad = faults_of_up(ports, rest)
        elif not bad and following.startswith("down"):
            bad = faults_of_down()
        done += 1
        verdict = "BAD " if bad else "good"
        print("%4d  %s  %-24s %s at %.3f s, then %s" %
              (number, verdict, words, "killed" if hit else "over  ", after, following), flush=True)
        for line in bad:
            print("      " + line.replace("\n", "\n      "), flush=True)
        if bad:
            bad_rounds += 1
            print("      " + sh(["locker", "status"])[1].replace("\n", "\n      "), flush=True)
            locker("down -y")
    locker("down -y")
    print("%d rounds, %d killed at work, %d bad; seed %d" % (done, hits, bad_rounds, seed), flush=True)
    sys.exit(1 if bad_rounds else 0)


if __name__ == "__main__":
    main()
