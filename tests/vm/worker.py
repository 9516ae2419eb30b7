"""One machine and the tests that run on it."""

import fcntl
import json
import time
import traceback
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from image import ImageError, image
from machine import GuestError, Machine
from pace import pace, wait_until
from plan import Group, Test
from qemu import qemu

DAEMON = "scanoutd.service"
# Ends what a test left running and names it: all that is in sshd's cgroup, where every command
# of the host starts, but for sshd itself, which is several programs since OpenSSH 9.8, the keeper
# of the connection and this very shell; then all containers.
TIDY = r"""
group=/sys/fs/cgroup$(cut -d: -f3 /proc/$PPID/cgroup)
for pid in $(cat $group/cgroup.procs); do
    read -r name 2>/dev/null </proc/$pid/comm || continue
    case $name in sshd | sshd-session | sshd-auth) continue ;; esac
    [ $pid = $$ ] || [ $pid = KEEPER ] || {
        echo "$pid $(tr '\0' ' ' </proc/$pid/cmdline)"
        kill -KILL $pid
    }
done
[ -z "$(ls /run/crun 2>/dev/null)" ] || podman ps --all --quiet | xargs -r podman rm -f -t 0
"""


@dataclass(frozen=True)
class Outcome:
    test: str
    seconds: float
    failure: str | None


def call(function: Callable, vm: Machine) -> str | None:
    """Why the function failed, None if it did not."""
    try:
        function(vm)
    except Exception as error:
        # The frames of the test say where; those of the bed below it rarely help.
        frames = [f for f in traceback.extract_tb(error.__traceback__)
                  if Path(f.filename).name.startswith("test_")]
        where = "".join(traceback.format_list(frames))
        return f"{where}{type(error).__name__}: {error}"
    return None


class Worker:
    """A machine and the tests that run on it, in a process of their own."""

    def __init__(self, group: Group, stage: Path | None, out: Path, turns: Path,
                 report: Callable):
        """In the directory `turns` all machines of the run agree on whose turn it is."""
        self.group = group
        self.stage = stage
        self.out = out
        self.report = report
        self.lock = open(turns / "turn", "w")
        self.door = open(turns / "door", "w")

    @contextmanager
    def turn(self, alone: bool):
        """While no other machine runs a test, or none that must be alone."""
        # Who waits keeps the door shut: nobody else starts a test before a lone one had its turn.
        fcntl.flock(self.door, fcntl.LOCK_EX)
        try:
            fcntl.flock(self.lock, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        finally:
            fcntl.flock(self.door, fcntl.LOCK_UN)
        try:
            yield
        finally:
            fcntl.flock(self.lock, fcntl.LOCK_UN)

    def run(self):
        """Boot the machine and run the tests on it; one that dies fails all that are left."""
        left = list(self.group.tests)
        try:
            image(self.group.settings.get("set", "base"), self.group.suite)
            qemu()
            with Machine(self.out / self.group.name, stage=self.stage,
                         **self.group.settings) as vm:
                with self.turn(alone=False):
                    vm.start()
                ready: set[str] = set()
                while left:
                    test = left[0]
                    with self.turn(test.alone):
                        begun = time.monotonic()
                        failure = self.run_one(test, vm, ready)
                        seconds = time.monotonic() - begun
                    left.pop(0)
                    self.report(Outcome(test.shown, seconds, failure))
                    if vm.why_dead():
                        raise GuestError(vm.why_dead())
                save(vm, self.out / self.group.name, "end")
        except Exception as error:
            for test in left:
                self.report(Outcome(test.shown, 0, f"no machine to run on: {error}"))
            if not isinstance(error, (GuestError, ImageError)):
                traceback.print_exc()

    def run_one(self, test: Test, vm: Machine, ready: set[str]) -> str | None:
        since = vm.now()
        failure = None
        if test.module.__name__ not in ready:
            setup = getattr(test.module, "setup", None)
            failure = call(setup, vm) if setup else None
            if failure is None:
                ready.add(test.module.__name__)
            else:
                failure = f"in the module's setup: {failure}"
        failure = failure or call(test.function, vm)
        if vm.why_dead():
            return f"{failure or ''}\n{vm.why_dead()}"
        left_over = tidy(vm)
        if failure is None and left_over:
            failure = f"still leased after the test:\n{left_over}"
        if failure is not None:
            failure += (f"\n--- journal of {DAEMON} since the test began\n"
                        f"{vm.journal(DAEMON, since)}--- console\n{vm.console_tail(8)}")
            save(vm, vm.workdir, test.full_name)
            restart_daemon(vm)
        return failure


def has_daemon(vm: Machine) -> bool:
    return vm.run(f"systemctl cat {DAEMON}", check=False).rc == 0


def restart_daemon(vm: Machine):
    if has_daemon(vm):
        vm.run(f"systemctl reset-failed {DAEMON}; systemctl restart {DAEMON}", check=False)


def held(vm: Machine) -> list[str]:
    """The scanouts that somebody holds, as the daemon tells."""
    active = vm.run(f"command -v scanoutctl && systemctl is-active {DAEMON}", check=False)
    if active.rc != 0:
        return []
    rows = json.loads(vm.run("scanoutctl list --json").out)
    rows = rows if isinstance(rows, list) else rows["scanouts"]
    return [f"{row['id']} held by {row.get('label') or row.get('holder')}"
            for row in rows if row["state"] not in ("free", "excluded", "absent")]


def tidy(vm: Machine) -> str:
    """End what the test left running. What it says is still leased after that is a failure."""
    try:
        ended = vm.run(TIDY.replace("KEEPER", vm.shell.keeper), timeout=120).out
        try:
            wait_until(lambda: not held(vm), 5, "nothing is leased after the test")
        except AssertionError:
            rows = held(vm)
            return "\n".join(rows + [f"though these were ended:\n{ended}" if ended else ""]
                             if rows else [])
        return ""
    except (GuestError, ValueError, KeyError) as error:
        return f"cannot tell what is left: {error}"


def save(vm: Machine, directory: Path, name: str):
    """Journal and the picture of every head, for whoever looks at a failure."""
    target = directory / name
    target.mkdir(parents=True, exist_ok=True)
    try:
        journal = vm.run("journalctl -b --no-pager -o short-monotonic", timeout=120).out
        (target / "journal.txt").write_text(journal)
        for head in range(vm.head_count):
            vm.capture(head).save(target / f"head-{head:02}.png", compress_level=1)
    except (GuestError, OSError) as error:
        print(f"vm: could not save all of {target}: {error}", flush=True)
