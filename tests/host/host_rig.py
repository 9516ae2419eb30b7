"""Runs scanout-host against fake QEMUs, each on a private bus.

SCANOUT_HOST names the program under test, build/scanout-host by default. Needs dbus-daemon.
"""
import contextlib
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "ctl"))
from rig import Bus, patience  # noqa: E402
from fake_qemu import FakeQemu, memory, pixels  # noqa: E402

SCANOUT_HOST = os.environ.get("SCANOUT_HOST",
                              str(HERE.parent.parent / "build" / "scanout-host"))
WIDTH, HEIGHT = 64, 48
RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


class Case(unittest.TestCase):
    def setUp(self):
        self.bus = Bus(None)
        self.addCleanup(self.bus.__exit__)
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def qemu(self, **options):
        return FakeQemu(self.bus.address, **options)

    def memory(self, size, data=b""):
        context = contextlib.ExitStack()
        self.addCleanup(context.close)
        return context.enter_context(memory(size, data))

    def picture(self, colour, width=WIDTH, height=HEIGHT):
        return self.memory(4 * width * height, pixels(width, height, colour))

    def start(self, *args, address=None, **options):
        """The program, running; it is gone after the test."""
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **options}
        process = subprocess.Popen(
            [SCANOUT_HOST, "--address", address or self.bus.address, *map(str, args)], **options)
        self.addCleanup(self.end, process)
        return process

    @staticmethod
    def end(process):
        process.kill()
        process.wait()
        for pipe in (process.stdout, process.stderr):
            if pipe:
                pipe.close()

    def run_alone(self, *args, **options):
        """Without any address."""
        return subprocess.run([SCANOUT_HOST, *map(str, args)], capture_output=True, text=True,
                              **options)

    def finish(self, process, code, said=""):
        """Waits for its end; what it printed. `said` is a part of what is on stderr."""
        out, err = process.communicate()
        self.check(process.returncode, out, err, code, said)
        return out

    def check(self, returncode, out, err, code, said=""):
        self.assertEqual(returncode, code, err)
        self.assertNotIn("Sanitizer", err)
        self.assertNotIn("runtime error", err)
        if said:
            self.assertIn(said, err)
        else:
            self.assertEqual(err, "")
