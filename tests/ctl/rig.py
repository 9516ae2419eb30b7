"""Runs scanoutctl against a fake scanoutd on a private bus.

SCANOUTCTL names the program under test, build/scanoutctl by default. Needs dbus-daemon.
"""
import contextlib
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import patience  # noqa: E402, F401 - what waits in vain fails

SCANOUTCTL = os.environ.get("SCANOUTCTL", str(HERE.parent.parent / "build" / "scanoutctl"))
FAKE_SCANOUTD = str(HERE / "fake_scanoutd.py")
NAME = "org.scanoutd.Scanout1"
PATH = "/org/scanoutd/Scanout1"
CONTAINER = "1a2b3c4d5e6f" + "0" * 52
BIG = 2**53 + 1  # not a double

BUS_CONFIG = """<busconfig><type>session</type><listen>unix:path={dir}/bus</listen>
<limit name="auth_timeout">86400000</limit>
<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/>
<allow own="*"/>{deny}</policy></busconfig>"""
DENY = f'<deny send_destination="{NAME}"/>'


class Bus:
    """A private bus, and the fake service on it unless mode is None."""

    def __init__(self, mode, deny=""):
        self.dir = tempfile.TemporaryDirectory()
        with open(self.dir.name + "/conf", "w") as f:
            f.write(BUS_CONFIG.format(dir=self.dir.name, deny=deny))
        self.daemon = subprocess.Popen(
            ["dbus-daemon", "--nofork", "--print-address", f"--config-file={self.dir.name}/conf"],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.address = self.daemon.stdout.readline().strip()
        self.env = {**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": self.address}
        self.service = None
        if mode:
            self.start(mode)

    def start(self, mode):
        self.service = subprocess.Popen([sys.executable, FAKE_SCANOUTD, mode], env=self.env,
                                        stdout=subprocess.PIPE, text=True)
        assert self.service.stdout.readline() == "serving\n"

    def stop_service(self):
        self.service.kill()
        self.service.wait()
        self.service.stdout.close()
        self.service = None

    def ctl(self, *args, **kwargs):
        kwargs.setdefault("env", self.env)
        return subprocess.run([SCANOUTCTL, *args], capture_output=True, text=True, **kwargs)

    @contextlib.contextmanager
    def monitor(self, *args):
        """A running monitor; whatever the test does with it, it is gone afterwards."""
        with subprocess.Popen([SCANOUTCTL, "monitor", *args], env=self.env, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE) as monitor:
            try:
                yield monitor
                monitor.wait()
            finally:
                monitor.kill()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        if self.service:
            self.stop_service()
        self.daemon.kill()
        self.daemon.wait()
        self.daemon.stdout.close()
        self.dir.cleanup()


class Case(unittest.TestCase):
    mode = None  # of the service on the test's bus; None: it makes its own

    def setUp(self):
        if self.mode:
            self.bus = Bus(self.mode)
            self.addCleanup(self.bus.__exit__)
            self.ctl = self.bus.ctl

    def check(self, result, code, error=None):
        self.assertEqual(result.returncode, code, result.stderr)
        self.assertNotIn("AddressSanitizer", result.stderr)
        self.assertNotIn("runtime error", result.stderr)
        if error:
            self.assertIn(f"scanoutctl: {error}: ", result.stderr)
            self.assertEqual(result.stdout, "")
