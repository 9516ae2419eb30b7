#!/usr/bin/python3
"""docs/reliability.md names tests that exist and are run, and one at least for each promise."""

import re
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/reliability.md"
NAME = re.compile(r"`(test_\w+\.\w+)`")


def existing() -> set[str]:
    """FILE.NAME of every test: what cmocka's tables list, and the functions of Python."""
    found = set()
    for path in ROOT.glob("tests/*/test_*.c"):
        # From main() on: a function that stands in no table is never run.
        table = path.read_text().split("\nint main(", 1)[1]
        names = re.findall(r"(?:TEST|cmocka_unit_test)\w*\((\w+)", table)
        found |= {f"{path.stem}.{name}" for name in names}
    for path in ROOT.glob("tests/*/test_*.py"):
        names = re.findall(r"^\s*def (test_\w+)", path.read_text(), re.MULTILINE)
        found |= {f"{path.stem}.{name}" for name in names}
    return found


def promises() -> list[str]:
    """The rows of all tables, without their heads."""
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("|")]
    return [row for i, row in enumerate(rows)
            if not set(row) <= set("|-") and not set("".join(rows[i + 1:i + 2])) <= set("|-")]


class Reliability(unittest.TestCase):
    def test_tests_exist(self):
        tests = existing()
        self.assertGreater(len(tests), 300)
        named = set(NAME.findall(PAGE.read_text()))
        self.assertEqual(sorted(named - tests), [])

    def test_each_promise_has_a_test(self):
        rows = promises()
        self.assertGreater(len(rows), 50)
        self.assertEqual([row for row in rows if not NAME.search(row.split("|")[-2])], [])

    def test_each_peer_s_bug_is_told(self):
        """What is written for the page is on it."""
        named = set(NAME.findall(PAGE.read_text()))
        ours = {name for name in existing() if name.startswith("test_peers.")}
        self.assertEqual(sorted(ours - named), [])


if __name__ == "__main__":
    unittest.main()
