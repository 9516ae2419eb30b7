#!/usr/bin/python3
"""Run the tests of tests/vm/test_*.py in a virtual machine.

A test is a function `test_*(vm)` whose docstring says setup and expectation. A module may have
`MACHINE = dict(...)` (arguments of Machine: it then gets a machine of its own, or shares that of
the module that it imports MACHINE from) and `setup(vm)`, run once before its first test. A test
may have an attribute `deadline` in seconds.
"""

import argparse
import importlib
import inspect
import json
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

HERE = Path(__file__).resolve().parent
DAEMON = "scanoutd.service"
TEST_SECONDS = 60
# Ends what a test left running and names it: all that is in sshd's cgroup, where every command
# of the host starts, but for sshd itself, the keeper of the connection and this very shell; then
# all containers.
TIDY = r"""
group=/sys/fs/cgroup$(cut -d: -f3 /proc/$PPID/cgroup)
for pid in $(cat $group/cgroup.procs); do
    read -r name 2>/dev/null </proc/$pid/comm || continue
    [ "$name" = sshd ] || [ $pid = $$ ] || [ $pid = KEEPER ] || {
        echo "$pid $(tr '\0' ' ' </proc/$pid/cmdline)"
        kill -KILL $pid
    }
done
[ -z "$(ls /run/crun 2>/dev/null)" ] || podman ps --all --quiet | xargs -r podman rm -f -t 0
"""

sys.dont_write_bytecode = True
sys.path.insert(0, str(HERE))

from machine import GuestError, Machine  # noqa: E402


class TooLong(BaseException):
    """Not an Exception, so that no test catches it by accident."""


@dataclass(frozen=True)
class Test:
    module: ModuleType
    function: Callable

    @property
    def name(self) -> str:
        return self.function.__name__.removeprefix("test_")

    @property
    def full_name(self) -> str:
        return f"{self.module.__name__.removeprefix('test_')}.{self.name}"

    @property
    def seconds(self) -> float:
        return getattr(self.function, "deadline", TEST_SECONDS)

    def wanted(self, names: list[str]) -> bool:
        ours = (self.name, self.full_name, self.module.__name__.removeprefix("test_"))
        return not names or any(
            ".".join(part.removeprefix("test_") for part in name.split(".")) in ours
            for name in names)


def discover(names: list[str]) -> list[Test]:
    tests = []
    # The bed first: its tests are about a machine that nobody has used.
    for file in sorted(HERE.glob("test_*.py"), key=lambda file: (file.stem != "test_bed", file)):
        module = importlib.import_module(file.stem)
        for name, function in vars(module).items():
            if name.startswith("test_") and inspect.isfunction(function):
                if not function.__doc__:
                    sys.exit(f"{file.name}: {name} has no docstring to say setup and expectation")
                tests.append(Test(module, function))
    known = tests
    tests = [test for test in known if test.wanted(names)]
    for name in names:
        if not any(test.wanted([name]) for test in known):
            sys.exit(f"run.py: no test '{name}'; --list shows them")
    return tests


def alarm(*_):
    raise TooLong()


def call(function: Callable, vm: Machine, seconds: float) -> str | None:
    """Why the function failed, None if it did not."""
    signal.signal(signal.SIGALRM, alarm)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        function(vm)
    except TooLong:
        where = traceback.format_exc(limit=-4)
        return f"took longer than its {seconds:g} s\n{where}"
    except Exception as error:
        # The frames of the test say where; those of the bed below it rarely help.
        frames = [f for f in traceback.extract_tb(error.__traceback__)
                  if Path(f.filename).name.startswith("test_")]
        where = "".join(traceback.format_list(frames))
        return f"{where}{type(error).__name__}: {error}"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    return None


class Suite:
    """The tests of one machine, in order."""

    def __init__(self, stage: Path | None, out: Path, total: int):
        self.stage = stage
        self.out = out
        self.total = total
        self.passed = 0
        self.failed: list[str] = []

    def report(self, test: Test, seconds: float, failure: str | None):
        number = f"{self.passed + len(self.failed) + 1}/{self.total}"
        if failure is None:
            self.passed += 1
            print(f"ok   {number} {test.full_name} ({seconds:.1f} s)", flush=True)
        else:
            self.failed.append(test.full_name)
            print(f"FAIL {number} {test.full_name} ({seconds:.1f} s)\n{indent(failure)}",
                  flush=True)

    def run(self, tests: list[Test], name: str, settings: dict):
        """Boot one machine and run the tests on it; a machine that dies fails all that are left."""
        left = list(tests)
        try:
            with Machine(self.out / name, stage=self.stage, **settings) as vm:
                vm.start()
                ready: set[str] = set()
                while left:
                    test = left[0]
                    begun = time.monotonic()
                    failure = self.run_one(test, vm, ready)
                    left.pop(0)
                    self.report(test, time.monotonic() - begun, failure)
                    if vm.why_dead():
                        raise GuestError(vm.why_dead())
                save(vm, self.out / name, "end")
        except Exception as error:
            for test in left:
                self.report(test, 0, f"no machine to run on: {error}")
            if not isinstance(error, GuestError):
                traceback.print_exc()

    def run_one(self, test: Test, vm: Machine, ready: set[str]) -> str | None:
        since = vm.now()
        failure = None
        if test.module.__name__ not in ready:
            setup = getattr(test.module, "setup", None)
            failure = call(setup, vm, 3 * TEST_SECONDS) if setup else None
            if failure is None:
                ready.add(test.module.__name__)
            else:
                failure = f"in the module's setup: {failure}"
        failure = failure or call(test.function, vm, test.seconds)
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


def indent(text: str) -> str:
    return "".join(f"    {line}\n" for line in text.strip().splitlines())


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
        until = time.monotonic() + 5
        while (rows := held(vm)) and time.monotonic() < until:
            time.sleep(0.1)
        return "\n".join(rows + [f"though these were ended:\n{ended}" if ended else ""]
                         if rows else [])
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


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--stage", type=Path, help="tree of `make install DESTDIR=…` to test")
    parser.add_argument("--out", type=Path, default=Path("build/vm"), help="logs and pictures")
    parser.add_argument("--list", action="store_true", help="say what there is, run nothing")
    parser.add_argument("tests", nargs="*", metavar="T", help="a test, module.test or module")
    arguments = parser.parse_args()

    tests = discover(arguments.tests)
    if arguments.list:
        for test in tests:
            print(f"{test.full_name:40} {inspect.getdoc(test.function).splitlines()[0]}")
        return 0
    if arguments.stage and not arguments.stage.is_dir():
        parser.error(f"--stage: no directory {arguments.stage}")

    # SIGTERM unwinds like an error, so that the machine is shut down in order.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    suite = Suite(arguments.stage, arguments.out, len(tests))
    shared = [test for test in tests if not hasattr(test.module, "MACHINE")]
    if shared:
        suite.run(shared, "shared", {})
    left = [test for test in tests if test not in shared]
    while left:
        module = left[0].module
        suite.run([test for test in left if test.module.MACHINE is module.MACHINE],
                  module.__name__.removeprefix("test_"), module.MACHINE)
        left = [test for test in left if test.module.MACHINE is not module.MACHINE]
    for name in suite.failed:
        print(f"failed: {name}")
    print(f"{suite.passed} passed, {len(suite.failed)} failed")
    return 0 if suite.passed and not suite.failed else 1


if __name__ == "__main__":
    sys.exit(main())
