"""Which tests there are, and on which machines they run."""

import importlib
import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

HERE = Path(__file__).resolve().parent
TEST_SECONDS = 60
# Of the machine of all modules that ask for no other.
SHARED = dict(deadline=2400)


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

    @property
    def alone(self) -> bool:
        """Whether it measures time, so that no other machine may be busy."""
        return getattr(self.function, "alone", getattr(self.module, "ALONE", False))

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


@dataclass(frozen=True)
class Group:
    """The tests of one machine, in order."""

    name: str
    settings: dict
    tests: list[Test]


def grouped(tests: list[Test]) -> list[Group]:
    """The longest first, as far as deadlines tell, so that no machine is left over at the end."""
    groups = []
    shared = [test for test in tests if not hasattr(test.module, "MACHINE")]
    if shared:
        groups.append(Group("shared", SHARED, shared))
    left = [test for test in tests if test not in shared]
    while left:
        module = left[0].module
        ours = [test for test in left if test.module.MACHINE is module.MACHINE]
        groups.append(Group(module.__name__.removeprefix("test_"), module.MACHINE, ours))
        left = [test for test in left if test not in ours]
    return sorted(groups, key=lambda group: -sum(test.seconds for test in group.tests))
