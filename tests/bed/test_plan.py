#!/usr/bin/python3
"""Which tests run where: tests/vm/plan.py."""

import sys
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
TREE = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TREE / "tests/vm"))

import plan  # noqa: E402


def names(suite: str, *wanted: str) -> set[str]:
    return {test.full_name for test in plan.planned(suite, list(wanted))}


class Planned(unittest.TestCase):
    def test_within(self):
        """What another test shows as well runs only if it is named itself."""
        self.assertNotIn("desktops.sway", names("trixie"))
        self.assertNotIn("desktops.sway", names("trixie", "desktops"))
        self.assertEqual(names("trixie", "desktops.sway"), {"desktops.sway"})
        self.assertEqual(names("trixie", "test_desktops.test_sway"), {"desktops.sway"})
        for test in plan.discover([]):
            self.assertIsNone(test.within)

    def test_within_is_there_on_each_suite(self):
        """Where a test is left out, the one that shows the same is not."""
        for test in plan.discover(["desktops.sway", "desktops.kwin", "desktops.weston_logind"]):
            for suite in plan.suites.SUITES:
                self.assertIn(f"desktops.{test.within}", names(suite))

    def test_both(self):
        """Everything runs on one suite, and only a part on the other."""
        chosen = plan.planned("both", [])
        whole = {test.full_name for test in chosen if test.suite == plan.suites.DEFAULT}
        self.assertEqual(whole, names(plan.suites.DEFAULT))
        self.assertLess(len(chosen), 2 * len(whole))
        self.assertGreater(len(chosen), len(whole))

    def test_suites(self):
        """A program that a suite does not have is not looked for there."""
        self.assertIn("desktops.weston", names("bookworm"))
        self.assertNotIn("desktops.weston", names("trixie"))

    def test_unknown(self):
        with self.assertRaises(SystemExit):
            plan.planned("trixie", ["no_such_test"])


if __name__ == "__main__":
    unittest.main()
