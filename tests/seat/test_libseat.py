#!/usr/bin/python3
"""The real libseat against the seat: its seatd and its logind backend.

`test_libseat.py --client straight|paused` is the client. For logind it runs in a mount namespace
with another /run, since sd-login looks nowhere else.
"""
import ctypes
import os
import subprocess
import sys
import tempfile
import unittest

from server import ServerTest

ENABLE = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)


class Listener(ctypes.Structure):
    _fields_ = [("enable", ENABLE), ("disable", ENABLE)]


def run_client(paused):
    """Opens the card and an input, survives a pause if there is one, opens the card again."""
    libseat = ctypes.CDLL("libseat.so.1", use_errno=True)
    libseat.libseat_open_seat.restype = ctypes.c_void_p
    for name in ("dispatch", "open_device", "close_device", "close_seat", "disable_seat"):
        getattr(libseat, "libseat_" + name).argtypes = [ctypes.c_void_p]
    libseat.libseat_seat_name.argtypes = [ctypes.c_void_p]
    libseat.libseat_seat_name.restype = ctypes.c_char_p
    events = []

    def on_disable(seat, _data):
        events.append("disable")
        assert libseat.libseat_disable_seat(seat) == 0

    listener = Listener(ENABLE(lambda *_: events.append("enable")), ENABLE(on_disable))
    seat = libseat.libseat_open_seat(ctypes.byref(listener), None)
    assert seat, os.strerror(ctypes.get_errno())
    assert libseat.libseat_seat_name(seat) == b"seat0"

    def wait(event):
        while event not in events:
            assert libseat.libseat_dispatch(seat, ctypes.c_int(-1)) >= 0
        events.remove(event)

    def open_device(path):
        fd = ctypes.c_int(-1)
        device = libseat.libseat_open_device(seat, path, ctypes.byref(fd))
        return device, fd.value

    wait("enable")
    card = os.environ.get("SCANOUT_DEVICE", "/dev/null").encode()
    device, fd = open_device(card)
    assert device > 0 and os.fstat(fd).st_rdev == os.stat(card).st_rdev
    assert open_device(b"/dev/zero")[0] < 0
    print("opened", flush=True)
    if paused:
        wait("disable")
        print("disabled", flush=True)
        wait("enable")
    assert libseat.libseat_close_device(seat, ctypes.c_int(device)) == 0
    os.close(fd)
    device, fd = open_device(card)
    assert device > 0
    print("opened", flush=True)
    sys.stdin.read()
    assert libseat.libseat_close_seat(seat) == 0


# The installed one: Debian 12 has 0.7.
VERSION = subprocess.run(["pkg-config", "--modversion", "libseat"], check=True, text=True,
                         stdout=subprocess.PIPE).stdout
IS_OLD = tuple(map(int, VERSION.split(".")[:2])) < (0, 9)


class Libseat(ServerTest):
    options = ("--lease=/dev/null", *(["--old"] if IS_OLD else []))

    def start(self, backend, paused):
        environment = dict(
            os.environ, LIBSEAT_BACKEND=backend, SEATD_SOCK=self.server.path("seatd"),
            DBUS_SYSTEM_BUS_ADDRESS=self.server.address, XDG_SESSION_ID="scanout3",
            XDG_SESSION_TYPE="wayland")
        command = [sys.executable, os.path.abspath(__file__), "--client", paused]
        if backend == "logind":
            user = [] if os.getuid() == 0 else ["--map-root-user"]
            command = ["unshare", "--mount", *user, "sh", "-c",
                       f"mount --bind {self.run_folder} /run && exec \"$@\"", "sh", *command]
        return subprocess.Popen(command, env=environment, stdin=subprocess.PIPE,
                                stdout=subprocess.PIPE, text=True)

    def converse(self, backend, paused):
        client = self.start(backend, paused)
        self.assertEqual(client.stdout.readline(), "opened\n")
        self.server.wait("take 1")
        if paused == "paused":
            self.server.command("pause")
            self.assertEqual(client.stdout.readline(), "disabled\n")
            self.assertTrue(self.server.is_silent())
            self.server.command("resume")
        self.assertEqual(client.stdout.readline(), "opened\n")
        self.server.wait("drop")
        self.server.wait("take 2")
        client.stdin.close()
        self.assertEqual(client.wait(), 0)
        client.stdout.close()
        self.server.wait("drop")


class Seatd(Libseat):
    def test_devices(self):
        self.converse("seatd", "straight")

    def test_pause(self):
        self.converse("seatd", "paused")

    def test_killed(self):
        """Killed while it holds the card: dropped."""
        client = self.start("seatd", "paused")
        self.assertEqual(client.stdout.readline(), "opened\n")
        self.server.wait("take 1")
        client.kill()
        client.wait()
        client.stdin.close()
        client.stdout.close()
        self.server.wait("drop")


class Logind(Libseat):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="run-")
        self.addCleanup(folder.cleanup)
        self.run_folder = folder.name
        self.options = (*self.options, "--run=" + self.run_folder)
        super().setUp()

    # libseat's logind backend hears of a pause only through a real DRM device (major 226), so
    # that is for the VM suite.
    def test_devices(self):
        self.converse("logind", "straight")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--client"]:
        run_client(sys.argv[2] == "paused")
    else:
        unittest.main()
