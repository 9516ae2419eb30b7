#!/usr/bin/python3
"""An installation with folders of its own: what is found by its path is found there.

FAKE_SCANOUTD names what it is tried against.
"""
import os
import pathlib
import subprocess
import tempfile
import unittest

from runner import FAKE_SCANOUTD, PATIENCE, ROOT, Fake

PREFIX = "/opt/scanout"
LIBDIR = PREFIX + "/lib64/desk"


class Install(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="install-")
        cls.addClassCleanup(cls.folder.cleanup)
        cls.home = pathlib.Path(cls.folder.name)
        cls.tree = cls.home / "tree"
        # Not the flags of the make that runs the tests.
        env = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
        done = subprocess.run(
            ["make", "-s", "-j2", "install", f"DESTDIR={cls.tree}", f"PREFIX={PREFIX}",
             f"LIBDIR={LIBDIR}", f"B={cls.home}/build"], cwd=ROOT, env=env,
            capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        cls.bin = cls.tree / PREFIX[1:] / "bin"
        cls.preload = cls.tree / LIBDIR[1:] / "libscanout-preload.so"

    def run_it(self, *args):
        address = str(self.home / "guest")
        fake = Fake("peer", address)
        self.addCleanup(lambda: self.assertEqual(fake.stop(), 0))
        return subprocess.run([self.bin / "scanout-run", *args], capture_output=True, text=True,
                              timeout=PATIENCE, env={"PATH": os.environ["PATH"],
                                                     "XDG_RUNTIME_DIR": str(self.home),
                                                     "SCANOUT_ADDRESS": f"unix:path={address}"})

    def test_preload(self):
        """The library comes from $(LIBDIR), wherever the tree stands; one beside scanout-run is
        taken first. Without any, the message names both folders."""
        command = ("--seat=preload", "--", "sh", "-c", "echo $LD_PRELOAD")
        said = self.run_it(*command)
        self.assertEqual((said.stdout, said.returncode), (f"{self.preload}\n", 0), said.stderr)
        beside = self.bin / self.preload.name
        beside.write_bytes(self.preload.read_bytes())
        said = self.run_it(*command)
        self.assertEqual(said.stdout, f"{beside}\n", said.stderr)
        beside.unlink()
        away = self.preload.rename(self.home / "away")
        said = self.run_it(*command)
        away.rename(self.preload)
        self.assertEqual(said.returncode, 125)
        self.assertEqual(said.stderr, f"scanout-run: libscanout-preload.so is neither in "
                         f"'{self.bin}' nor in '{self.preload.parent}'; put it there or name it "
                         "in $SCANOUT_PRELOAD\n")

    def test_units(self):
        """The units start what was installed, and nothing else."""
        units = list((self.tree / LIBDIR[1:] / "systemd/system").glob("*.service"))
        self.assertGreater(len(units), 2)
        for unit in units:
            for line in unit.read_text().splitlines():
                if line.startswith("ExecStart="):
                    program = line.removeprefix("ExecStart=").split()[0]
                    self.assertTrue((self.tree / program[1:]).is_file(), line)


if __name__ == "__main__":
    unittest.main()
