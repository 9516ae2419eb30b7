#!/usr/bin/python3
"""docs/containers.md: it names tests that exist, and leaves out none of a program."""

import re
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/containers.md").read_text()
VM = ROOT / "tests/vm"
NAME = re.compile(r"`((?:desktops|cdi|engines|sizes|sessions|wlroots)\.\w+)`")
SUITES = ["Debian 12", "Debian 13", "forky"]


def existing() -> set[str]:
    """FILE.NAME of every test in the VM, as `make check-vm T=` takes them."""
    return {f"{path.stem.removeprefix('test_')}.{name}" for path in VM.glob("test_*.py")
            for name in re.findall(r"^def test_(\w+)", path.read_text(), re.MULTILINE)}


def table() -> list[list[str]]:
    """The cells of the table of programs and suites, with its head."""
    lines = PAGE.split("\n## What works\n")[1].split("\n## ")[0].splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")]
            for line in lines if line.startswith("|")]
    return [rows[0], *rows[2:]]


def of_programs() -> set[str]:
    """The tests that start programs and see their pictures."""
    found = set()
    for module, marks in (("desktops", ("one(vm, ", "Desktop(vm, ")), ("cdi", ("wait_shown(",))):
        text = (VM / f"test_{module}.py").read_text()
        for name, body in re.findall(r"^def test_(\w+)\(vm\):\n((?:    .*\n|\n)*)", text,
                                     re.MULTILINE):
            if any(mark in body for mark in marks):
                found.add(f"{module}.{name}")
    return found


class Containers(unittest.TestCase):
    def test_tests_exist(self):
        """Wherever the page names one."""
        self.assertEqual(sorted(set(NAME.findall(PAGE)) - existing()), [])

    def test_cells(self):
        """Each cell of a suite is tests or a dash, and each program has been seen somewhere."""
        head, *rows = table()
        self.assertEqual(head[-len(SUITES):], SUITES)
        self.assertGreater(len(rows), 10)
        for row in rows:
            self.assertEqual(len(row), len(head), row)
            cells = row[-len(SUITES):]
            for cell in cells:
                self.assertRegex(cell, rf"^(–|{NAME.pattern}(, {NAME.pattern})*)$", row)
            self.assertTrue(any(cell != "–" for cell in cells), row)

    def test_each_test_is_told(self):
        """What is seen of programs is on the page."""
        ours = of_programs()
        self.assertGreater(len(ours), 10)
        self.assertEqual(sorted(ours - set(NAME.findall(PAGE))), [])


if __name__ == "__main__":
    unittest.main()
