"""Which tests there are, and on which machines they run."""

import importlib
import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType

import suites

HERE = Path(__file__).resolve().parent
# Of the machine of all modules that ask for no other.
SHARED: dict = {}
# What `both` suites are: all tests on one, and on the older one what depends most on the kernel
# and on the programs.
BOTH = {"trixie": None,
        "bookworm": ["desktops", "containers", "cdi", "engines", "restart", "takeover", "linger",
                     "wedge", "hotplug", "leases"]}


@dataclass(frozen=True)
class Test:
    module: ModuleType
    function: Callable
    suite: str = suites.DEFAULT

    @property
    def name(self) -> str:
        return self.function.__name__.removeprefix("test_")

    @property
    def full_name(self) -> str:
        return f"{self.module.__name__.removeprefix('test_')}.{self.name}"

    @property
    def shown(self) -> str:
        return f"{self.suite} {self.full_name}"

    @property
    def machine(self) -> dict:
        return getattr(self.module, "MACHINE", SHARED)

    @property
    def work(self) -> int:
        """About how long it takes, beside others: a desktop is the longest to start."""
        return 4 if self.machine.get("set") else 1

    def is_for(self, suite: str) -> bool:
        """Whether its program works there; docs/containers.md has a dash if not."""
        return suite in getattr(self.function, "suites", suites.SUITES)

    @property
    def alone(self) -> bool:
        """Whether it measures time, so that no other machine may be busy."""
        return getattr(self.function, "alone", getattr(self.module, "ALONE", False))

    @property
    def within(self) -> str | None:
        """The test that shows the same beside more: only who names this one gets it."""
        return getattr(self.function, "within", None)

    @property
    def only_named(self) -> bool:
        """Whether it is left out unless it is named: its guest is large."""
        return getattr(self.module, "ONLY_NAMED", False)

    def wanted(self, names: list[str]) -> bool:
        plain = {".".join(part.removeprefix("test_") for part in name.split(".")) for name in names}
        if plain & {self.name, self.full_name}:
            return True
        if self.within:
            return False
        return self.module.__name__.removeprefix("test_") in plain if names else not self.only_named


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
    for test in known:
        if test.within and test.within not in {other.name for other in known}:
            sys.exit(f"run.py: {test.full_name} is said to be within '{test.within}'; there is none")
    for name in names:
        if not any(test.wanted([name]) for test in known):
            sys.exit(f"run.py: no test '{name}'; --list shows them")
    return tests


def planned(suite: str, names: list[str]) -> list[Test]:
    """The tests of a suite by name, or all; `both` does not repeat all on the second one."""
    parts = BOTH.items() if suite == "both" else [(suites.checked(suite), None)]
    return [replace(test, suite=one) for one, part in parts
            for test in discover(names or part or []) if test.is_for(one)]


@dataclass(frozen=True)
class Group:
    """The tests of one machine, in order."""

    name: str
    suite: str
    settings: dict
    tests: list[Test]


def grouped(tests: list[Test]) -> list[Group]:
    """Those with the most work first, so that no machine is left over at the end."""
    groups = []
    left = list(tests)
    while left:
        first = left[0]
        ours = [test for test in left
                if test.suite == first.suite and test.machine is first.machine]
        name = "shared" if first.machine is SHARED else first.module.__name__.removeprefix("test_")
        groups.append(Group(name, first.suite, {**first.machine, "suite": first.suite}, ours))
        left = [test for test in left if test not in ours]
    return sorted(groups, key=lambda group: -sum(test.work for test in group.tests))
