#!/usr/bin/python3
"""The file VERSION, the news and what the programs print are of one version."""

import os
import re
import subprocess
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RELEASE = (ROOT / "VERSION").read_text().strip()


def version(folder):
    """What make builds into the programs in a folder that has this Makefile."""
    env = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
    done = subprocess.run(["make", "-s", "--eval=show: ; @echo $(VERSION)", "show"], cwd=folder,
                          env=env, capture_output=True, text=True, check=True)
    return done.stdout.strip()


class Version(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        (self.folder / "tests").mkdir()
        for name in ("Makefile", "VERSION", "tests/tests.mk"):
            (self.folder / name).write_bytes((ROOT / name).read_bytes())

    def git(self, *args):
        subprocess.run(["git", "-c", "user.name=x", "-c", "user.email=x@example.org", *args],
                       cwd=self.folder, check=True, capture_output=True)

    def test_news_begin_with_it(self):
        heading = re.search(r"^## CHANGES WITH (.*)$", (ROOT / "NEWS.md").read_text(), re.MULTILINE)
        self.assertEqual(heading[1], RELEASE)

    def test_without_git(self):
        """A tarball is of the release, also below somebody's own repository."""
        self.assertEqual(version(self.folder), RELEASE)
        outside = self.folder
        self.folder = outside / "tarball"
        self.folder.mkdir()
        for name in ("Makefile", "VERSION", "tests"):
            (outside / name).rename(self.folder / name)
        subprocess.run(["git", "init", "-q", str(outside)], check=True)
        self.assertEqual(version(self.folder), RELEASE)

    def test_in_git(self):
        """A commit says which it is, unless it is the one with the release's tag."""
        self.git("init", "-q")
        self.git("add", ".")
        self.git("commit", "-qm", "first")
        self.assertRegex(version(self.folder), rf"^{re.escape(RELEASE)}\+g[0-9a-f]+$")
        self.git("tag", f"v{RELEASE}")
        self.assertEqual(version(self.folder), RELEASE)
        with (self.folder / "Makefile").open("a") as makefile:
            makefile.write("# changed\n")
        self.assertRegex(version(self.folder), rf"^{re.escape(RELEASE)}\+g[0-9a-f]+-dirty$")


if __name__ == "__main__":
    unittest.main()
