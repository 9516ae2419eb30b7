"""The real daemon on a fake card, and the real front before it, for clients that know of neither.

SCANOUTD_FAKE_BIN names the daemon, SCANOUT_FRONT the front. Needs dbus-daemon.
"""
import os
import socket
import subprocess
import unittest

from rig import Bus, patience

SCANOUTD_FAKE = os.environ.get("SCANOUTD_FAKE_BIN", "build/san/scanoutd-fake")
FRONT = os.environ.get("SCANOUT_FRONT", "build/san/scanout-front")


class GuestCase(unittest.TestCase):
    """A daemon with four free scanouts for each test; `address` leads to its guest socket."""

    def setUp(self):
        bus = Bus(None)
        self.addCleanup(bus.__exit__)
        self.folder = folder = bus.dir.name
        with open(folder + "/scanoutd.conf", "w") as f:
            f.write(f"[Card]\nSeat=none\n[Agent]\nSocket={folder}/agent/bus\n")
        self.address = f"unix:path={folder}/guest/bus"
        self.env = {**bus.env, "RUNTIME_DIRECTORY": folder, "SCANOUTD_FAKE": "4",
                    "SCANOUT_ADDRESS": f"unix:path={folder}/agent/bus"}
        self.daemon = None
        self.start_daemon()
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ready:
            ready.bind(folder + "/ready")
            self.front = self.start(FRONT, "--socket", folder + "/guest/bus",
                                    NOTIFY_SOCKET=folder + "/ready")
            self.addCleanup(self.end, self.front)
            self.assertEqual(ready.recv(64), b"READY=1")

    def start(self, *command, **env):
        return subprocess.Popen(command, env={**self.env, **env}, stderr=subprocess.PIPE, text=True)

    def start_daemon(self):
        self.daemon = self.start(SCANOUTD_FAKE, "--config", self.folder + "/scanoutd.conf")
        self.addCleanup(self.end, self.daemon)
        for line in self.daemon.stderr:
            if "Ready" in line:
                return
        self.fail("the daemon did not get ready")

    def end(self, process):
        """It ends well: nothing leaks, whatever the clients did."""
        if process.returncode is None:
            process.terminate()
            said = process.communicate()[1]
            self.assertEqual(process.returncode, 0, said)

    @property
    def server_pid(self):
        """Who answers: the front of these clients, its only child once earlier ones have ended."""
        def pids():
            with open(f"/proc/{self.front.pid}/task/{self.front.pid}/children") as children:
                return children.read().split()
        return int(patience.wait_until(lambda: len(found := pids()) == 1 and found,
                                       "one front is left")[0])

    def run_tool(self, *command):
        """A program's output; it must succeed."""
        done = subprocess.run(command, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout
