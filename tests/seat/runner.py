"""Runs scanout-run against a fake scanoutd, on a private bus or on a guest socket.

SCANOUT_RUN, FAKE_SCANOUTD, FAKE_LEASE, FAKE_LIBSEAT_PATH and SCANOUT_PRELOAD name what is under
test. Needs dbus-daemon.
"""
import ctypes
import os
import pathlib
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests"))
import patience  # noqa: E402, F401 - what waits in vain fails

BUILD = ROOT / "build"
SCANOUT_RUN = os.environ.get("SCANOUT_RUN", str(BUILD / "scanout-run"))
FAKE_SCANOUTD = os.environ.get("FAKE_SCANOUTD", str(BUILD / "tests" / "fake_scanoutd"))
FAKE_LEASE = os.environ.get("FAKE_LEASE", str(BUILD / "tests" / "fake_lease.so"))
FAKE_LIBSEAT = os.environ.get("FAKE_LIBSEAT_PATH", str(BUILD / "tests" / "fake_libseat.so"))
PRELOAD = os.environ.get("SCANOUT_PRELOAD", str(BUILD / "libscanout-preload.so"))
PROGRAMS = str(pathlib.Path(__file__).resolve().parent / "programs.py")
PR_SET_CHILD_SUBREAPER = 36


def collect_orphans():
    """For scanout-run's process: it gets the orphans below it, as the first of a container does."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)


class Fake:
    """A fake_scanoutd whose lines can be waited for."""

    def __init__(self, *args):
        self.process = subprocess.Popen([FAKE_SCANOUTD, *args], stdout=subprocess.PIPE,
                                        text=True)
        self.lines = queue.Queue()
        self.connected = threading.Event()
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()
        self.expect("ready")

    def read(self):
        for line in self.process.stdout:
            if line == "connected\n":
                self.connected.set()
            else:
                self.lines.put(line.strip())
        self.lines.put(None)

    def expect(self, line):
        got = self.lines.get()
        assert got == line, f"expected {line!r}, got {got!r}"

    def wait(self, line):
        """Until it tells this, whatever comes before."""
        while (got := self.lines.get()) != line:
            assert got is not None, f"it ended, but never told {line!r}"

    def rest(self):
        """All that it told after what was expected; ends it."""
        self.stop()
        rest = []
        while (line := self.lines.get()) is not None:
            rest.append(line)
        return rest

    def stop(self):
        self.process.terminate()
        code = self.process.wait()
        self.thread.join()
        self.process.stdout.close()
        return code


class RunTest(unittest.TestCase):
    peer = False

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="run-")
        self.addCleanup(self.folder.cleanup)
        self.home = pathlib.Path(self.folder.name)
        # The users of some tests have to be able to read them, also where the tree is root's own.
        libraries = tempfile.TemporaryDirectory(prefix="libraries-")
        self.addCleanup(libraries.cleanup)
        os.chmod(libraries.name, 0o755)
        preload, self.fake_lease = (shutil.copy(path, libraries.name)
                                    for path in (PRELOAD, FAKE_LEASE))
        self.env = {"PATH": os.environ["PATH"], "HOME": str(self.home),
                    "SCANOUT_PRELOAD": preload, "XDG_RUNTIME_DIR": str(self.home),
                    "ASAN_OPTIONS": "verify_asan_link_order=0"}
        if self.peer:
            self.address = str(self.home / "guest")
            self.env["SCANOUT_ADDRESS"] = "unix:path=" + self.address
        else:
            daemon = subprocess.Popen(
                ["dbus-daemon", "--session", "--nofork", "--nopidfile", "--print-address",
                 f"--address=unix:path={self.home}/sys"], stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL, text=True)
            self.addCleanup(daemon.stdout.close)
            self.addCleanup(daemon.wait)
            self.addCleanup(daemon.terminate)
            self.address = daemon.stdout.readline().strip()
            self.env["DBUS_SYSTEM_BUS_ADDRESS"] = self.address

    def fake(self, *mode):
        fake = Fake("peer" if self.peer else "bus", self.address, *mode)
        self.addCleanup(lambda: self.assertEqual(fake.stop(), 0))
        return fake

    def start(self, *args, prefix=(), **env):
        process = subprocess.Popen(
            [*prefix, SCANOUT_RUN, *args], env={**self.env, **env}, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=collect_orphans)
        for pipe in (process.stderr, process.stdout, process.stdin):
            self.addCleanup(pipe.close)

        def end():
            if process.poll() is None:
                process.kill()
                process.wait()
        self.addCleanup(end)
        return process

    def run_it(self, *args, **options):
        """(status, output, errors)"""
        return self.finish(self.start(*args, **options))

    def finish(self, process):
        """The same of one that was started."""
        out, err = process.communicate()
        self.assertNotIn("ERROR: ", err)
        self.assertNotIn("runtime error", err)
        # What it made is gone when it is.
        self.assertEqual([p.name for p in self.home.glob("scanout-*")], [])
        return process.returncode, out, err

    def me(self, *words):
        """A program of programs.py."""
        return ["--", sys.executable, PROGRAMS, *words]

    def script(self, name):
        """A program of this name that is one of programs.py."""
        path = self.home / name
        path.write_text(f"#!/bin/sh\nexec {sys.executable} {PROGRAMS} \"$@\"\n")
        path.chmod(0o755)
        return str(path)
