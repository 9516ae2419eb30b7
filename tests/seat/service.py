#!/usr/bin/python3
"""Runs scanout-seat, started by its sockets as systemd does it, against a fake scanoutd.

SCANOUT_SEAT and FAKE_SCANOUTD name what is under test.
"""
import array
import os
import pathlib
import select
import socket
import struct
import subprocess
import sys
import tempfile
import unittest

import gdbus
import test_seatd
from gi.repository import GLib
from gdbus import LOGIN1
from runner import ROOT, Fake

SCANOUT_SEAT = os.environ.get("SCANOUT_SEAT", str(ROOT / "build" / "san" / "scanout-seat"))
ID, CARD, DEVICE = "card0-Virtual-4", "/dev/full", (1, 7)
NAMES = ("bus", "seatd.sock", "spare")
ME = os.getpid()


def activate(*args):
    """Becomes the service, with its sockets as descriptors 3 and up; `service.py ARG...`."""
    fds = [int(number) for number in os.environ["SOCKETS"].split()]
    high = [os.dup(os.dup2(fd, 20 + i)) for i, fd in enumerate(fds)]
    for i, fd in enumerate(high):
        os.dup2(fd, 3 + i)
    os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(fds)))
    os.closerange(3 + len(fds), 64)
    os.execv(SCANOUT_SEAT, ["scanout-seat", *args])


class Service(unittest.TestCase):
    id = ID
    idle = 60000
    REQUEST = ""  # what scanoutd hears of it
    extra = {}  # environment

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="service-")
        self.addCleanup(folder.cleanup)
        self.home = pathlib.Path(folder.name)
        self.home.chmod(0o711)
        self.place = self.home / self.id
        self.place.mkdir()
        (self.place / "card").write_text(f"{CARD}\n{DEVICE[0]}:{DEVICE[1]}\n")
        self.listeners = []
        for name in NAMES:
            listener = socket.socket(socket.AF_UNIX)
            listener.bind(str(self.place / name))
            (self.place / name).chmod(0o666)
            listener.listen(64)
            self.addCleanup(listener.close)
            self.listeners.append(listener)
        self.address = str(self.home / "guest")
        self.process = None
        self.log = open(self.home / "log", "w+")
        self.addCleanup(self.log.close)

    def fake(self, *mode):
        fake = Fake("peer", self.address, *mode)
        self.addCleanup(lambda: self.assertEqual(fake.stop(), 0))
        return fake

    def start(self):
        """Once somebody has connected."""
        self.assertTrue(select.select(self.listeners, [], [])[0])
        fds = [listener.fileno() for listener in self.listeners]
        self.process = process = subprocess.Popen(
            [sys.executable, __file__, "--seats", str(self.home), "--idle",
             str(self.idle), self.id], pass_fds=fds, stderr=self.log,
            env={"PATH": os.environ["PATH"], "SCANOUT_SEAT": SCANOUT_SEAT,
                 "SOCKETS": " ".join(map(str, fds)),
                 "SCANOUT_ADDRESS": f"unix:path={self.address}", **self.extra})

        def end():
            if process.poll() is None:
                process.terminate()
            # Also what the sanitizers found.
            self.assertEqual(process.wait(), 0, self.told())
            self.assertNotIn("ERROR: ", self.told())
            self.assertNotIn("runtime error", self.told())
        self.addCleanup(end)

    def told(self):
        return (self.home / "log").read_text()

    def path(self, name):
        """For test_seatd.Client."""
        return str(self.place / {"seatd": "seatd.sock"}.get(name, name))

    def seatd(self):
        client = test_seatd.Client(self)
        self.addCleanup(client.close)
        return client

    def seatd_with_card(self):
        client = self.seatd()
        if not self.process:
            self.start()
        _device, fd = client.enable().open(CARD)
        self.addCleanup(os.close, fd)
        return client, fd

    def login1(self):
        """A function that calls the session."""
        client = gdbus.Gdbus("unix:path=" + self.path("bus"))
        self.addCleanup(client.close)

        def session(method, signature="()", *args):
            return client.call(LOGIN1, "/org/freedesktop/login1/session/auto",
                               LOGIN1 + ".Session", method, GLib.Variant(signature, args))
        return session

    def spare(self):
        """The descriptor that comes over the socket for spares, or None. The size that comes with
        it is in self.told_size."""
        with socket.socket(socket.AF_UNIX) as link:
            link.connect(self.path("spare"))
            data, ancillary, _flags, _address = link.recvmsg(16, socket.CMSG_SPACE(4))
            if not data:
                return None
            self.told_size = struct.unpack("=II", data)
            fds = array.array("i")
            fds.frombytes(ancillary[0][2])
            self.addCleanup(os.close, fds[0])
            return fds[0]

    def check_idle(self):
        """It ends without clients, and the next one starts it anew."""
        self.idle = 200
        fake = self.fake()
        client, _fd = self.seatd_with_card()
        client.close()
        fake.wait(f"release {ID}#1")
        self.assertEqual(self.process.wait(), 0)
        self.process = None
        self.seatd_with_card()
        fake.expect(self.REQUEST)

    def raw(self, name):
        link = socket.socket(socket.AF_UNIX)
        link.connect(self.path(name))
        self.addCleanup(link.close)
        return link


def device(fd):
    number = os.fstat(fd).st_rdev
    return os.major(number), os.minor(number)


if __name__ == "__main__":
    activate(*sys.argv[1:])
