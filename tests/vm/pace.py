"""How patient to be: what a wait may last is counted in what the machine does, not in seconds.

The seconds that a wait names are those in which something ought to happen on a quiet machine as
the one that README's times are of. Before such a limit decides that something is wrong

- it is stretched by how much slower this machine is, seen when it booted and asked anew then;
- it begins again as long as what is waited for still moves: its CPU time, its output, its picture,
  until it had as much CPU time as the limit is long, which is work enough.

So only what stands still fails, what works and gets nowhere, or what has not come when the time for
the whole run is over.
"""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass

# Boot to the first command, and one command in the booted guest, on that machine.
BOOT_SECONDS = 13.0
COMMAND_SECONDS = 0.06
MARGIN = 3
# What waits longer than this says so, and says it again after as long.
TELL_SECONDS = 30
# Of the CPU time that passed, what is no more than idling: clocks that tick, cursors that blink.
IDLE_SHARE = 0.05


@dataclass(frozen=True)
class Movement:
    """What somebody has done so far: seconds of CPU time, and anything that changes with progress."""

    cpu: float
    signs: object = None

    def since(self, before: "Movement", seconds: float) -> bool:
        return self.signs != before.signs or self.cpu - before.cpu > IDLE_SHARE * seconds


class Pace:
    """Of the machine that this process runs; there is one for each process."""

    def __init__(self):
        self.slowness = 1.0
        self.asking = False
        self.command: Callable[[], float] | None = None
        self.end = time.monotonic() + float(os.environ.get("VM_BOUND_SECONDS", 2 * 3600))

    def booted(self, seconds: float, command: Callable[[], float]):
        """How long that took; `command` runs one in the guest and says how long."""
        self.command = command
        self.slowness = max(self.slowness, seconds / BOOT_SECONDS)

    def limit(self, seconds: float) -> float:
        return seconds * MARGIN * self.slowness

    def is_slower(self) -> bool:
        """Whether the machine is seen to be slower now than it was thought to be."""
        if self.command is None or self.asking:
            return False
        self.asking = True
        try:
            now = self.command() / COMMAND_SECONDS
        finally:
            self.asking = False
        if now < 1.2 * self.slowness:
            return False
        self.slowness = now
        return True

    def left(self) -> float:
        """Seconds of the whole run that are left."""
        return self.end - time.monotonic()


pace = Pace()


class Patience:
    """One wait. `moves` tells what the awaited has done so far; without, the limit alone counts."""

    def __init__(self, seconds: float, what: str, moves: Callable[[], Movement] | None = None):
        self.seconds, self.what, self.moves = seconds, what, moves
        self.began = self.last = self.told = self.looked = time.monotonic()
        self.first: Movement | None = None
        self.seen: Movement | None = None

    def is_over(self) -> bool:
        """To be asked again and again: whether there is no more use in waiting."""
        now = time.monotonic()
        if pace.left() <= 0:
            return True
        if now - self.told > TELL_SECONDS:
            self.told = now
            print(f"     waiting for {now - self.began:.0f} s: {self.what}", flush=True)
        limit = pace.limit(self.seconds)
        if self.moves and self.seen is None and now - self.last > limit / 2:
            self.look()
        if now - self.last < limit:
            return False
        if self.has_moved() and self.worked() < limit or pace.is_slower():
            self.last = time.monotonic()
            return False
        return True

    def look(self):
        self.seen, self.looked = self.moves(), time.monotonic()
        self.first = self.first or self.seen

    def has_moved(self) -> bool:
        """Since the last look."""
        if self.seen is None:
            return False
        before, then = self.seen, self.looked
        self.look()
        return self.seen.since(before, self.looked - then)

    def worked(self) -> float:
        """Seconds of CPU time since the first look."""
        return self.seen.cpu - self.first.cpu if self.first else 0

    def why(self) -> str:
        """For the message of who gives up."""
        waited = f"{time.monotonic() - self.began:.0f} s"
        if pace.left() <= 0:
            return f"not within the time for the whole run, {waited} of it: {self.what}"
        if self.worked() >= pace.limit(self.seconds):
            return (f"not within {waited} and after {self.worked():.0f} s of CPU time: "
                    f"{self.what}")
        if self.moves:
            still = f"{time.monotonic() - self.last:.0f} s"
            return f"not within {waited}, and nothing of it moved for {still}: {self.what}"
        return f"not within {waited}: {self.what}"


def wait_until(fn: Callable[[], object], seconds: float, what: str,
               moves: Callable[[], Movement] | None = None, pause: float = 0.05):
    """Return the first true value of `fn`; fail saying what never came true.

    To look takes CPU time from what is looked for: each is followed by a pause three times as long
    as it took, or longer.
    """
    patience = Patience(seconds, what, moves)
    while True:
        began = time.monotonic()
        if value := fn():
            return value
        if patience.is_over():
            raise AssertionError(patience.why())
        time.sleep(max(pause, 3 * (time.monotonic() - began)))
