#!/usr/bin/python3
"""Runs a command however long it takes, and ends it when nothing of it moves any more.

    watch.py [--say FOLDER] [--look SECONDS] [--bound SECONDS] LOG COMMAND...

No time of day decides: a slow or busy machine moves slowly, but it moves. What moves has used CPU
time, waits for its turn on a CPU or for a disk, has begun or ended a process, or has written
something. When all processes of the command have slept through many looks, it gets SIGALRM, upon
which a test fails by itself and the next one begins; if it sleeps again, SIGABRT, and then all is
killed. What runs in circles is ended at a bound of CPU time, which is larger on a slower machine.
The output goes to LOG, the lines about what runs long to standard output, under the lock of FOLDER.
The status is the command's, or 124.
"""
import argparse
import ctypes
import fcntl
import os
import pathlib
import select
import signal
import subprocess
import sys
import time

STILL = 30  # looks at which nothing has moved
IDLE = 0.02  # of a CPU: what somebody uses who only looks again and again
SAY = 60  # s from one line about what still runs to the next
# CPU time that a command may use, as a multiple of what the start of this program has used here,
# which is some hundredths of a second: the measure of the machine.
BOUND = 2000
STARTED = time.process_time()
TICKS = os.sysconf("SC_CLK_TCK")
TELLS_CHILDREN = os.path.exists("/proc/thread-self/children")
PR_SET_CHILD_SUBREAPER = 36
TOOK_TOO_LONG = 124


def read(path):
    try:
        return pathlib.Path(path).read_text(errors="replace")
    except OSError:  # it is gone
        return ""


def threads_of(pid):
    try:
        return os.listdir(f"/proc/{pid}/task")
    except OSError:
        return []


def fields(stat):
    """Those of /proc/PID/stat behind the name: state, parent, …"""
    return stat.rpartition(")")[2].split() or ["X"]


class Process:
    """One process, as it is at one look."""

    def __init__(self, pid):
        stat = read(f"/proc/{pid}/stat")
        self.pid = pid
        self.name = stat.partition("(")[2].rpartition(")")[0]
        self.state, *rest = fields(stat)
        # utime, stime, and those of its children that have ended.
        self.cpu = sum(map(int, rest[10:14])) / TICKS
        self.threads = []  # their states
        self.children = []
        for thread in threads_of(pid):
            self.threads.append(fields(read(f"/proc/{pid}/task/{thread}/stat"))[0])
            self.children += map(int, read(f"/proc/{pid}/task/{thread}/children").split())

    def is_awake(self):
        return "R" in self.threads or "D" in self.threads

    def __str__(self):
        where = read(f"/proc/{self.pid}/wchan").strip("0")
        return f"{self.name} {self.pid} ({self.state}{' in ' + where if where else ''})"


def find_children():
    """Those of each process, on a kernel whose threads do not tell them."""
    found = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            parent = int((fields(read(f"/proc/{name}/stat")) + ["0"])[1])
            found.setdefault(parent, []).append(int(name))
    return found


def descendants():
    """All living processes below this one, by number."""
    table = {} if TELLS_CHILDREN else find_children()
    found, new = {}, [Process(os.getpid())]
    while new:
        pids = [pid for process in new for pid in process.children + table.get(process.pid, [])]
        new = [process for process in map(Process, pids) if process.state not in "ZX"]
        found.update((process.pid, process) for process in new)
    return found


class Watch:
    def __init__(self, options):
        self.name = pathlib.PurePath(options.command[-1]).name
        self.log = options.log
        self.folder = options.say
        self.time = options.look  # from one look to the next
        self.bound = options.bound
        self.since = self.said = time.monotonic()
        self.processes = {}
        self.cpu = 0.0
        self.size = 0
        self.awake = False
        self.still = 0
        self.warned = False
        with open(self.log, "wb"), open(self.log, "ab") as output:
            self.command = subprocess.Popen(options.command, stdin=subprocess.DEVNULL,
                                            stdout=output, stderr=subprocess.STDOUT)
        self.pidfd = os.pidfd_open(self.command.pid)

    def took(self):
        return time.monotonic() - self.since

    def last_words(self):
        """What it wrote last."""
        with open(self.log, "rb") as file:
            file.seek(max(0, os.stat(self.log).st_size - 4096))
            lines = file.read().decode(errors="replace").split("\n")
        said = [line.strip() for line in lines if line.strip()]
        return f"it said last '{said[-1]}'" if said else "it has said nothing yet"

    def note(self, text):
        """Into its output, with what it does."""
        doing = ", ".join(map(str, self.processes.values()))
        line = f"watch: {text} after {self.took():.0f} s. Its processes: {doing}\n"
        with open(self.log, "ab") as file:
            file.write(line.encode())

    def say(self):
        lock = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            print(f"...  {self.name}: since {self.took():.0f} s, with {self.cpu:.0f} s of CPU "
                  f"time; {self.last_words()}", flush=True)
        finally:
            os.close(lock)

    def moves(self):
        """Whether anything has moved since the last look."""
        pids, cpu, size, awake = set(self.processes), self.cpu, self.size, self.awake
        self.processes = descendants()
        self.cpu = sum(process.cpu for process in self.processes.values())
        self.size = os.stat(self.log).st_size
        self.awake = any(process.is_awake() for process in self.processes.values())
        # Once: somebody who looks again and again may just have been met.
        return (set(self.processes) != pids or self.size != size or (self.awake and awake)
                or abs(self.cpu - cpu) > IDLE * self.time)

    def catches_alarm(self):
        caught = [line.split()[1] for line in read(f"/proc/{self.command.pid}/status").splitlines()
                  if line.startswith("SigCgt:")]
        return bool(caught) and int(caught[0], 16) >> (signal.SIGALRM - 1) & 1 == 1

    def has_ended(self):
        """Waits for it until the next look."""
        return bool(select.select([self.pidfd], [], [], self.time)[0])

    def end(self, why):
        self.note(why)
        self.command.send_signal(signal.SIGABRT)  # Python and the sanitizers say where they are
        while not self.has_ended() and self.moves() and self.cpu < 2 * self.bound:
            pass
        self.command.kill()
        return TOOK_TOO_LONG

    def run(self):
        """Its status."""
        while not self.has_ended():
            self.still = 0 if self.moves() else self.still + 1
            if self.cpu > self.bound:
                return self.end(f"Does not come to an end with {self.cpu:.0f} s of CPU time,")
            if self.still >= STILL and (self.warned or not self.catches_alarm()):
                return self.end("Nothing moves any more")
            if self.still >= STILL:
                self.note("Nothing moves any more")
                self.command.send_signal(signal.SIGALRM)
                self.warned, self.still = True, 0
            if self.folder and time.monotonic() - self.said > SAY:
                self.said = time.monotonic()
                self.say()
        status = self.command.wait()
        return status if status >= 0 else 128 - status

    def clean(self):
        """Nothing of it stays."""
        while left := descendants():
            for pid in left:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            time.sleep(0.01)


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--say", metavar="FOLDER")
    parser.add_argument("--look", type=float, default=1.0)
    parser.add_argument("--bound", type=float, default=BOUND * STARTED)
    parser.add_argument("log")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    # Who is left behind by its parent is found as well.
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    watch = Watch(options)
    try:
        status = watch.run()
    finally:
        watch.clean()
    sys.exit(status)


if __name__ == "__main__":
    main()
