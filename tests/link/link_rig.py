"""Runs scanout-link on a private bus with the real daemon on fake cards, and plays the host.

SCANOUT_LINK names the program, SCANOUTD_FAKE_BIN the daemon. Needs dbus-daemon.
"""
import json
import os
import pathlib
import socket
import subprocess
import sys
import threading
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "ctl"))
from rig import Bus, NAME, PATH, patience  # noqa: E402, F401

import dbus  # noqa: E402
import dbus.bus  # noqa: E402
import dbus.lowlevel  # noqa: E402
import dbus.mainloop.glib  # noqa: E402
import dbus.service  # noqa: E402
from gi.repository import GLib  # noqa: E402

SCANOUTD_FAKE = os.environ.get("SCANOUTD_FAKE_BIN", "build/san/scanoutd-fake")
SCANOUT_LINK = os.environ.get("SCANOUT_LINK", "build/san/scanout-link")
threading.Thread(target=GLib.MainLoop().run, daemon=True).start()

HELLO = b'\n{"hello":{"version":1,"program":"test"}}\n'


class LinkCase(unittest.TestCase):
    """A bus; what the test starts is gone after it."""

    def setUp(self):
        self.bus = Bus(None)
        self.addCleanup(self.bus.__exit__)
        self.folder = folder = self.bus.dir.name
        with open(folder + "/scanoutd.conf", "w") as f:
            f.write(f"[Card]\nSeat=none\n[Agent]\nSocket={folder}/agent/bus\n")
        # Without its guid, which a bus that was started again has not.
        self.env = {**self.bus.env, "RUNTIME_DIRECTORY": folder,
                    "DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={folder}/bus"}

    def start(self, *command, env=None, **more):
        process = subprocess.Popen(command, env={**self.env, **(env or {})}, stderr=subprocess.PIPE,
                                   text=True, **more)
        self.addCleanup(self.end, process)
        return process

    def end(self, process):
        """It ends well: nothing leaks."""
        if process.returncode is None:
            process.terminate()
            self.assertEqual(process.wait(), 0)
        process.stderr.close()

    def start_daemon(self, cards="4"):
        daemon = self.start(SCANOUTD_FAKE, "--config", self.folder + "/scanoutd.conf",
                            env={"SCANOUTD_FAKE": cards})
        for line in daemon.stderr:
            if "Ready" in line:
                # What it says on must not fill the pipe.
                threading.Thread(target=daemon.stderr.read, daemon=True).start()
                return daemon
        self.fail("the daemon did not get ready")

    @staticmethod
    def kill(process):
        process.kill()
        process.wait()

    def link(self, buffer=None):
        """The program, and the host's end of its port."""
        ours, theirs = socket.socketpair()
        if buffer:
            for end in (ours, theirs):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffer)
        # What the sanitizer keeps of freed memory is not the program's.
        options = os.environ.get("ASAN_OPTIONS", "") + ":quarantine_size_mb=1"
        process = self.start(SCANOUT_LINK, env={"ASAN_OPTIONS": options}, stdin=theirs)
        theirs.close()
        self.addCleanup(ours.close)
        return process, Host(ours)

    def client(self):
        client = dbus.bus.BusConnection(self.bus.address)
        self.addCleanup(client.close)
        return client


class Host:
    """Reads what the VM says."""

    def __init__(self, end):
        self.socket = end
        self.file = end.makefile("rb")

    def close(self):
        self.file.close()
        self.socket.close()

    def next(self):
        """The next message: its type and its body."""
        while True:
            line = self.file.readline()
            assert line.endswith(b"\n"), f"the port ends: {line}"
            if line != b"\n":
                (kind, body), = json.loads(line).items()
                return kind, body

    def until_ready(self):
        """All up to a ready, which is the last of them."""
        messages = [self.next()]
        while messages[-1][0] != "ready":
            messages.append(self.next())
        return messages

    def settle(self, daemon=True):
        """Until the VM knows whether scanoutd is there."""
        while self.until_ready()[-1] != ("ready", {"daemon": daemon}):
            pass

    def ask(self):
        """All tenants by their scanouts, as told from the next hello on."""
        self.socket.sendall(HELLO)
        return self.told()

    def told(self):
        while self.next()[0] != "hello":
            pass
        return {body["scanout"]: body for kind, body in self.until_ready() if kind == "grant"}


class FakeDaemon(dbus.service.Object):
    """A scanoutd that says what a test wants said, right or wrong. `scanouts` are the properties of
    each, by its id."""

    def __init__(self, address, scanouts):
        bus = dbus.bus.BusConnection(address, mainloop=dbus.mainloop.glib.DBusGMainLoop())
        super().__init__(bus, PATH)
        self.scanouts = scanouts
        self.bus = bus
        bus.request_name(NAME)

    @dbus.service.method("org.freedesktop.DBus.ObjectManager", out_signature="a{oa{sa{sv}}}")
    def GetManagedObjects(self):
        return {PATH: {NAME + ".Manager": {"Total": 5}},
                **{path_of(name): {"org.freedesktop.DBus.Peer": {}, NAME + ".Scanout": properties}
                   for name, properties in self.scanouts.items()}}

    def emit(self, path, interface, member, signature, *arguments):
        signal = dbus.lowlevel.SignalMessage(path, interface, member)
        signal.append(*arguments, signature=signature)
        self.bus.send_message(signal)

    def change(self, name, **properties):
        self.emit(path_of(name), "org.freedesktop.DBus.Properties", "PropertiesChanged", "sa{sv}as",
                  NAME + ".Scanout", properties, [])


def path_of(name):
    return PATH + "/" + name.replace("-", "_2d")


def scanout(index, **more):
    return {"Id": f"card0-Virtual-{index + 1}", "Device": "/dev/dri/card0",
            "Index": dbus.UInt32(index), "State": "free", "Label": "", "Refresh": dbus.UInt32(60000),
            "Holder": dbus.Dictionary({}, "sv"), "Generation": dbus.UInt64(0),
            "PreferredWidth": dbus.UInt32(0), "PreferredHeight": dbus.UInt32(0), **more}


def leased(label="", container="", generation=1):
    return {"State": "leased", "Label": label, "Generation": dbus.UInt64(generation),
            "Holder": dbus.Dictionary({"uid": dbus.UInt32(0), "container": container,
                                       "engine": "podman"}, "sv")}


def request(client, **options):
    """A lease: its fd, and the id of its scanout."""
    fd, _, info = client.call_blocking(
        NAME, PATH, NAME + ".Manager", "RequestScanout", "a{sv}", (options,), timeout=2**31 / 1000 - 1)
    return fd, str(info["id"])


def release(client, scanout):
    client.call_blocking(NAME, PATH, NAME + ".Manager", "ReleaseScanout", "s", (scanout,))
