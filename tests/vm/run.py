#!/usr/bin/python3
"""Run the tests of tests/vm/test_*.py in virtual machines.

A test is a function `test_*(vm)` whose docstring says setup and expectation. A module may have
`MACHINE = dict(...)` (arguments of Machine: it then gets a machine of its own, or shares that of
the module that it imports MACHINE from) and `setup(vm)`, run once before its first test. A test
that measures time has an attribute `alone`, or its module `ALONE = True`; one of a program that
works on some suites alone names them in `suites`; one that another test shows as well names that one
in `within`, and runs only if it is named itself.

No test has a deadline: what stands still fails where it is waited for (pace.py), and the run as a
whole ends after VM_BOUND_SECONDS, two hours by default.

Its machine is of the suite that --suite names. `both` is what `make check` runs: everything on one
suite, and on the other what plan.py says; their machines are one pool.

Two machines run at once: one emulated machine uses hardly more than one of the host's cores.
"""

import argparse
import inspect
import multiprocessing
import os
import signal
import sys
import tempfile
import threading
from multiprocessing.connection import Connection, wait
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))

import suites  # noqa: E402
from cache import ImageError  # noqa: E402
from plan import Group, grouped, planned  # noqa: E402
from worker import Outcome, Worker  # noqa: E402


def indent(text: str) -> str:
    return "".join(f"    {line}\n" for line in text.strip().splitlines())


def of_suite(path: Path, suite: str) -> Path:
    return Path(str(path).replace("SUITE", suite))


class Suite:
    """All groups, some at a time, and what became of their tests."""

    def __init__(self, stage: Path | None, out: Path, turns: Path, total: int):
        self.stage = stage
        self.out = out
        self.turns = turns
        self.total = total
        self.passed = 0
        self.failed: list[str] = []
        self.open: dict[Connection, list[str]] = {}

    def run(self, groups: list[Group], at_once: int):
        left = list(groups)
        while left or self.open:
            while left and len(self.open) < at_once:
                self.start(left.pop(0))
            for pipe in wait(list(self.open)):
                self.receive(pipe)

    def start(self, group: Group):
        ours, theirs = multiprocessing.Pipe(duplex=False)
        child = multiprocessing.get_context("fork").Process(
            target=self.child, args=(group, theirs), name=group.name, daemon=True)
        child.start()
        theirs.close()
        self.open[ours] = [test.shown for test in group.tests]

    def child(self, group: Group, pipe: Connection):
        def follow():
            wait([multiprocessing.parent_process().sentinel])
            os._exit(1)  # whoever killed the parent wants no orphans; QEMU goes with us
        threading.Thread(target=follow, daemon=True).start()
        out = of_suite(self.out, group.suite)
        out.mkdir(parents=True, exist_ok=True)
        stage = of_suite(self.stage, group.suite) if self.stage else None
        Worker(group, stage, out, self.turns, pipe.send).run()

    def receive(self, pipe: Connection):
        expected = self.open[pipe]
        try:
            outcome = pipe.recv()
            expected.remove(outcome.test)
            self.print(outcome)
        except EOFError:
            del self.open[pipe]
            pipe.close()
            for test in expected:
                self.print(Outcome(test, 0, "the process of its machine ended"))

    def print(self, outcome: Outcome):
        if outcome.failure is None:
            self.passed += 1
        else:
            self.failed.append(outcome.test)
        number = f"{self.passed + len(self.failed)}/{self.total}"
        what = f"{number} {outcome.test} ({outcome.seconds:.1f} s)"
        print(f"ok   {what}" if outcome.failure is None else
              f"FAIL {what}\n{indent(outcome.failure)}", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--suite", default=suites.DEFAULT,
                        help=f"{', '.join(suites.SUITES)} or both (default: {suites.DEFAULT})")
    parser.add_argument("--stage", type=Path, help="tree of `make install DESTDIR=…` to test, built "
                        "for the suite; the word SUITE in it becomes the suite's name")
    parser.add_argument("--out", type=Path, default=Path("build/SUITE/vm"),
                        help="logs and pictures, likewise (default: build/SUITE/vm)")
    parser.add_argument("--jobs", type=int, default=2, metavar="N",
                        help="machines at once (default: 2)")
    parser.add_argument("--list", action="store_true", help="say what there is, run nothing")
    parser.add_argument("tests", nargs="*", metavar="T", help="a test, module.test or module")
    arguments = parser.parse_args()

    try:
        tests = planned(arguments.suite, arguments.tests)
    except ImageError as error:
        parser.error(f"--suite: {error}, both")
    if arguments.list:
        for test in tests:
            print(f"{test.shown:49} {inspect.getdoc(test.function).splitlines()[0]}")
        return 0
    for suite in {test.suite for test in tests} if arguments.stage else ():
        stage = of_suite(arguments.stage, suite)
        if not stage.is_dir():
            parser.error(f"--stage: no directory {stage}; type: make stage SUITE={suite}")
    if arguments.jobs < 1:
        parser.error("--jobs is 1 or more")

    # SIGTERM unwinds like an error, so that the machines are shut down in order.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory(prefix="scanoutd-turns-") as turns:
        suite = Suite(arguments.stage, arguments.out, Path(turns), len(tests))
        suite.run(grouped(tests), arguments.jobs)
    for name in suite.failed:
        print(f"failed: {name}")
    print(f"{suite.passed} passed, {len(suite.failed)} failed")
    return 0 if suite.passed and not suite.failed else 1


if __name__ == "__main__":
    sys.exit(main())
