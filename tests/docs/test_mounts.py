#!/usr/bin/python3
"""Wherever a page, a message or a test mounts the guest socket's directory, it does so read-only: root
in a container could otherwise put a socket of its own there, for others to find."""

import re
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PLACES = ["README.md", "docs/*.md", "docs/man/*.scd", "src/**/*.[ch]", "tests/vm/*.py", "tests/ctl/*.py",
          "tests/seat/*.py", "completions/*"]
DIRECTORY = "/run/scanoutd/guest"
# What stands between two literals that the compiler, or Python, joins.
JOINT = re.compile(r'"\s*\\?\s*f?"')
MOUNTS = [
    (re.compile(rf"{DIRECTORY}:{DIRECTORY}(\S*)"), r":ro\b"),
    (re.compile(rf"src={DIRECTORY},dst={DIRECTORY}(\S*)"), r",ro\b"),
    (re.compile(rf"--bind(\S*){DIRECTORY}"), r"-ro="),
]


def mounts(text: str):
    text = re.sub(r"\bCONNECTION_GUEST_FOLDER\b", f'"{DIRECTORY}"', text)
    text = JOINT.sub("", text)
    for mount, read_only in MOUNTS:
        for found in mount.finditer(text):
            yield found[0], re.match(read_only, found[1]) is not None


class Mounts(unittest.TestCase):
    def test_all_are_read_only(self):
        seen, writable = 0, []
        for place in PLACES:
            for path in sorted(ROOT.glob(place)):
                for mount, is_read_only in mounts(path.read_text()):
                    seen += 1
                    if not is_read_only:
                        writable.append(f"{path.relative_to(ROOT)}: {mount}")
        self.assertEqual(writable, [])
        self.assertGreater(seen, 8)

    def test_writable_ones_are_found(self):
        for text in (f"-v {DIRECTORY}:{DIRECTORY} x", f"--bind={DIRECTORY}",
                     f"src={DIRECTORY},dst={DIRECTORY} x",
                     'src=" CONNECTION_GUEST_FOLDER\n\t",dst=" CONNECTION_GUEST_FOLDER " x"',
                     f'src={DIRECTORY},"\n  f"dst={DIRECTORY} x'):
            self.assertEqual([ok for _, ok in mounts(text)], [False], text)


if __name__ == "__main__":
    unittest.main()
