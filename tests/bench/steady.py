"""Notices when the whole machine stands still, as a virtual machine does now and then for up to a minute:
what was measured meanwhile says nothing about anybody. Used by docker.py and units.py; as a program it runs
until it is told to end (SIGTERM), then fails if the machine stood still. Standard library only.
"""

import signal
import sys
import threading
import time

# A thread that sleeps so long comes back in time on a machine that is only busy.
BEAT, STILL = 0.05, 2.0
TRIES = 6


class Beat:
    """Counts the seconds that the machine stood still."""

    def __init__(self):
        self.still = 0.0
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        last = time.monotonic()
        while True:
            time.sleep(BEAT)
            now = time.monotonic()
            if now - last > STILL:
                self.still += now - last
            last = now


BEATING = Beat()


def steadily(work, forget=lambda: None):
    """Does `work`, and what it says; once more, after `forget`, when the machine stood still meanwhile."""
    for _ in range(TRIES):
        before = BEATING.still
        done = work()
        time.sleep(2 * BEAT)
        still = BEATING.still - before
        if not still:
            return done
        print(f"the machine stood still for {still:.0f} s: once more", file=sys.stderr, flush=True)
        forget()
    raise SystemExit("error: the machine stands still too often to be measured on")


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1 if BEATING.still else 0))
    while True:
        signal.pause()
