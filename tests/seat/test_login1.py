#!/usr/bin/python3
"""The mini bus and login1, through GDBus, libdbus, sd-bus and as raw bytes."""
import os
import socket
import struct
import subprocess
import unittest

import dbus
import dbus.bus
import gi

from dbus_message import message
from server import PATIENCE, ServerTest

gi.require_version("Gio", "2.0")
from gi.repository import Gio, GLib  # noqa: E402

LOGIN1 = "org.freedesktop.login1"
ROOT = "/org/freedesktop/login1"
SESSION = ROOT + "/session/scanout3"
DRIVER = ("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus")
DEVICE = (os.major(os.stat("/dev/null").st_rdev), os.minor(os.stat("/dev/null").st_rdev))
FLAGS = (Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT
         | Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION)


class Gdbus:
    """One GDBus connection."""

    def __init__(self, address):
        self.link = Gio.DBusConnection.new_for_address_sync(address, FLAGS, None, None)

    def call(self, name, path, interface, method, args=None):
        """The reply's values, and its descriptors."""
        reply, fds = self.link.call_with_unix_fd_list_sync(
            name, path, interface, method, args, None, Gio.DBusCallFlags.NO_AUTO_START,
            PATIENCE * 1000, None, None)
        return reply.unpack(), fds.steal_fds() if fds else []

    def session(self, method, signature="()", *args):
        return self.call(LOGIN1, SESSION, LOGIN1 + ".Session", method,
                         GLib.Variant(signature, args))

    def manager(self, method, signature="()", *args):
        return self.call(LOGIN1, ROOT, LOGIN1 + ".Manager", method,
                         GLib.Variant(signature, args))[0]

    def driver(self, method, signature="()", *args):
        return self.call(*DRIVER, method, GLib.Variant(signature, args))[0]

    def get_all(self, path, interface):
        return self.call(LOGIN1, path, "org.freedesktop.DBus.Properties", "GetAll",
                         GLib.Variant("(s)", (interface,)))[0][0]

    def take(self):
        (_index, paused), fds = self.session("TakeDevice", "(uu)", *DEVICE)
        return fds[0], paused

    def close(self):
        self.link.close_sync(None)


class Login1Test(ServerTest):
    def client(self):
        return Gdbus(self.server.address)

    def assert_error(self, name, function, *args):
        with self.assertRaises(GLib.Error) as raised:
            function(*args)
        self.assertEqual(Gio.DBusError.get_remote_error(raised.exception), name)

    def read(self, fd):
        try:
            return os.pread(fd, 64, 0).decode()
        finally:
            os.close(fd)


class Control(Login1Test):
    def test_take_and_release(self):
        """Each TakeDevice is a fresh lease; ReleaseDevice drops it."""
        client = self.client()
        client.session("TakeControl", "(b)", False)
        fd, paused = client.take()
        self.server.wait("take 1")
        self.assertFalse(paused)
        self.assertEqual(self.read(fd), "take 1")
        client.session("ReleaseDevice", "(uu)", *DEVICE)
        self.server.wait("drop")
        fd, _paused = client.take()
        self.server.wait("take 2")
        self.assertEqual(self.read(fd), "take 2")
        client.session("ReleaseControl")
        self.server.wait("drop")

    def test_death_drops_the_lease(self):
        """The controller's connection goes: its lease is dropped, another may take control."""
        client = self.client()
        client.session("TakeControl", "(b)", False)
        client.take()
        self.server.wait("take 1")
        client.close()
        self.server.wait("drop")
        second = self.client()
        second.session("TakeControl", "(b)", False)
        second.take()
        self.server.wait("take 2")

    def test_refusals(self):
        client, second = self.client(), self.client()
        self.assert_error(LOGIN1 + ".NotInControl", client.take)
        self.assert_error(LOGIN1 + ".NotInControl", client.session, "ReleaseControl")
        self.assert_error(LOGIN1 + ".NotInControl", client.session, "ReleaseDevice", "(uu)",
                          *DEVICE)
        self.assert_error(LOGIN1 + ".NotInControl", client.session, "SetType", "(s)", "x11")
        client.session("TakeControl", "(b)", False)
        client.session("TakeControl", "(b)", False)
        self.assert_error("System.Error.EBUSY", second.session, "TakeControl", "(b)", False)
        self.assert_error(LOGIN1 + ".DeviceNotTaken", client.session, "ReleaseDevice", "(uu)",
                          *DEVICE)
        for device in ((226, 0), (1, 5), (13, 64), (13, 99999), (2**32 - 1, 2**32 - 1)):
            self.assert_error("System.Error.ENODEV", client.session, "TakeDevice", "(uu)",
                              *device)
        client.take()
        self.assert_error(LOGIN1 + ".DeviceIsTaken", client.take)
        self.assert_error("org.freedesktop.DBus.Error.InvalidArgs", client.session,
                          "TakeDevice", "(s)", "x")
        self.assert_error("org.freedesktop.DBus.Error.InvalidArgs", client.session, "SetType",
                          "(s)", "punchcard")
        self.assert_error("org.freedesktop.DBus.Error.AccessDenied", client.manager, "PowerOff",
                          "(b)", False)

    def test_no_lease_to_be_had(self):
        self.server.command("refuse")
        client = self.client()
        client.session("TakeControl", "(b)", False)
        self.assert_error("org.freedesktop.DBus.Error.Timeout", client.take)
        client.close()
        self.assertTrue(self.server.is_silent())

    def test_forced_control(self):
        """TakeControl(true): the first one loses control and card at once."""
        client, second = self.client(), self.client()
        client.session("TakeControl", "(b)", False)
        client.take()
        self.server.wait("take 1")
        second.session("TakeControl", "(b)", True)
        self.server.wait("drop")
        self.assert_error(LOGIN1 + ".NotInControl", client.take)
        second.take()
        self.server.wait("take 2")


class Objects(Login1Test):
    def test_types(self):
        """Every property that a compositor reads has logind's type."""
        client = self.client()
        uid = os.getuid()
        want = {
            SESSION: (LOGIN1 + ".Session", {
                "Id": ("s", "scanout3"), "Seat": ("(so)", ("seat0", ROOT + "/seat/seat0")),
                "User": ("(uo)", (uid, f"{ROOT}/user/_{uid}")), "VTNr": ("u", 0),
                "Type": ("s", "wayland"), "Class": ("s", "user"), "Active": ("b", True),
                "State": ("s", "active"), "Remote": ("b", False), "LockedHint": ("b", False),
                "IdleHint": ("b", False), "Timestamp": ("t", 0)}),
            ROOT + "/seat/seat0": (LOGIN1 + ".Seat", {
                "Id": ("s", "seat0"), "ActiveSession": ("(so)", ("scanout3", SESSION)),
                "CanGraphical": ("b", True), "CanTTY": ("b", False),
                "Sessions": ("a(so)", [("scanout3", SESSION)])}),
            f"{ROOT}/user/_{uid}": (LOGIN1 + ".User", {
                "UID": ("u", uid), "Display": ("(so)", ("scanout3", SESSION)),
                "State": ("s", "active")}),
            ROOT: (LOGIN1 + ".Manager", {
                "PreparingForSleep": ("b", False), "OnExternalPower": ("b", False),
                "BlockInhibited": ("s", "")}),
        }
        for path, (interface, properties) in want.items():
            reply = client.link.call_sync(
                LOGIN1, path, "org.freedesktop.DBus.Properties", "GetAll",
                GLib.Variant("(s)", (interface,)), None, 0, -1, None).get_child_value(0)
            got = {}
            for i in range(reply.n_children()):
                entry = reply.get_child_value(i)
                value = entry.get_child_value(1).get_variant()
                got[entry.get_child_value(0).unpack()] = (value.get_type_string(),
                                                          value.unpack())
            for name, value in properties.items():
                self.assertEqual(got[name], value, name)

    def test_aliases(self):
        client = self.client()
        for alias in ("auto", "self"):
            self.assertEqual(client.get_all(f"{ROOT}/session/{alias}", LOGIN1 + ".Session"),
                             client.get_all(SESSION, LOGIN1 + ".Session"))
        client.get_all(ROOT + "/seat/self", LOGIN1 + ".Seat")
        client.get_all(ROOT + "/user/self", LOGIN1 + ".User")

    def test_manager(self):
        client = self.client()
        for name in ("auto", "self", "scanout3", ""):
            self.assertEqual(client.manager("GetSession", "(s)", name), (SESSION,))
        self.assert_error(LOGIN1 + ".NoSuchSession", client.manager, "GetSession", "(s)", "c2")
        self.assert_error(LOGIN1 + ".NoSuchSeat", client.manager, "GetSeat", "(s)", "seat9")
        self.assert_error(LOGIN1 + ".NoSuchUser", client.manager, "GetUser", "(u)", 4242)
        self.assertEqual(client.manager("GetSessionByPID", "(u)", 0), (SESSION,))
        self.assertEqual(client.manager("GetSeat", "(s)", "seat0"), (ROOT + "/seat/seat0",))
        self.assertEqual(client.manager("ListSessions")[0][0][0], "scanout3")
        self.assertEqual(client.manager("CanSuspend"), ("na",))
        _reply, fds = client.call(LOGIN1, ROOT, LOGIN1 + ".Manager", "Inhibit", GLib.Variant(
            "(ssss)", ("sleep", "test", "because", "delay")))
        os.close(fds[0])

    def test_proxy_sees_active_change(self):
        """A GDBusProxy, as Mutter has it: Active goes false and comes back, signals arrive."""
        client = self.client()
        proxy = Gio.DBusProxy.new_sync(
            client.link, Gio.DBusProxyFlags.DO_NOT_AUTO_START, None, LOGIN1, SESSION,
            LOGIN1 + ".Session", None)
        self.assertEqual(proxy.get_name_owner(), ":1.0")
        self.assertTrue(proxy.get_cached_property("Active").unpack())
        client.session("TakeControl", "(b)", False)
        client.take()
        seen = []
        loop = GLib.MainLoop()

        def on_change(_proxy, changed, _invalidated):
            seen.append(changed.unpack()["Active"])
            if seen[-1]:
                loop.quit()

        def on_signal(_proxy, _sender, name, args):
            seen.append((name, args.unpack()[:3]))

        proxy.connect("g-properties-changed", on_change)
        proxy.connect("g-signal", on_signal)
        self.server.command("blink")
        GLib.timeout_add_seconds(PATIENCE, loop.quit)
        loop.run()
        self.assertEqual(seen, [("PauseDevice", (*DEVICE, "pause")), False,
                                ("ResumeDevice", (*DEVICE, 0)), True])

    def test_lock_reaches_the_session(self):
        client = self.client()
        seen = []
        loop = GLib.MainLoop()
        client.link.signal_subscribe(LOGIN1, LOGIN1 + ".Session", None, SESSION, None, 0,
                                     lambda *args: (seen.append(args[4]), loop.quit()))
        client.session("Lock")
        GLib.timeout_add_seconds(PATIENCE, loop.quit)
        loop.run()
        self.assertEqual(seen, ["Lock"])


class Driver(Login1Test):
    def test_names(self):
        client = self.client()
        own = client.link.get_unique_name()
        self.assertEqual(client.driver("GetNameOwner", "(s)", LOGIN1), (":1.0",))
        self.assertEqual(client.driver("GetNameOwner", "(s)", own), (own,))
        self.assertEqual(client.driver("NameHasOwner", "(s)", LOGIN1), (True,))
        self.assertEqual(client.driver("NameHasOwner", "(s)", "org.example.No"), (False,))
        self.assertEqual(client.driver("ListNames")[0],
                         ["org.freedesktop.DBus", ":1.0", LOGIN1, own])
        self.assertEqual(client.driver("StartServiceByName", "(su)", LOGIN1, 0), (2,))
        self.assertEqual(client.driver("GetConnectionUnixUser", "(s)", own), (os.getuid(),))
        self.assertEqual(client.driver("GetConnectionUnixProcessID", "(s)", own),
                         (os.getpid(),))
        self.assertEqual(client.driver("GetConnectionCredentials", "(s)", LOGIN1)[0]["UnixUserID"],
                         os.getuid())
        self.assertEqual(len(client.driver("GetId")[0]), 32)
        error = "org.freedesktop.DBus.Error."
        self.assert_error(error + "NameHasNoOwner", client.driver, "GetNameOwner", "(s)", "a.b")
        self.assert_error(error + "NameHasNoOwner", client.driver, "GetConnectionUnixUser",
                          "(s)", ":1.99")
        self.assert_error(error + "ServiceUnknown", client.driver, "StartServiceByName",
                          "(su)", "org.freedesktop.systemd1", 0)
        self.assert_error(error + "AccessDenied", client.driver, "RequestName", "(su)",
                          LOGIN1, 4)
        self.assert_error(error + "ServiceUnknown", client.call, "org.freedesktop.UPower",
                          "/org/freedesktop/UPower", "org.freedesktop.DBus.Peer", "Ping")
        self.assert_error(error + "NameHasNoOwner", client.call, ":1.77", "/",
                          "org.freedesktop.DBus.Peer", "Ping")

    def test_clients_are_apart(self):
        """One client can neither reach nor see another."""
        first, second = self.client(), self.client()
        other = second.link.get_unique_name()
        self.assertNotEqual(first.link.get_unique_name(), other)
        self.assertEqual(first.driver("NameHasOwner", "(s)", other), (False,))
        self.assert_error("org.freedesktop.DBus.Error.NameHasNoOwner", first.call, other, "/",
                          "org.freedesktop.DBus.Peer", "Ping")

    def test_libdbus(self):
        """libdbus: calls, descriptors, errors."""
        client = dbus.bus.BusConnection(self.server.address)
        manager = dbus.Interface(client.get_object(LOGIN1, ROOT), LOGIN1 + ".Manager")
        session = dbus.Interface(client.get_object(LOGIN1, manager.GetSession("auto")),
                                 LOGIN1 + ".Session")
        session.TakeControl(False)
        fd, paused = session.TakeDevice(dbus.UInt32(DEVICE[0]), dbus.UInt32(DEVICE[1]))
        self.assertFalse(paused)
        self.assertEqual(self.read(fd.take()), "take 1")
        with self.assertRaises(dbus.DBusException) as raised:
            session.TakeDevice(dbus.UInt32(226), dbus.UInt32(77))
        self.assertEqual(raised.exception.get_dbus_name(), "System.Error.ENODEV")
        client.close()
        self.server.wait("take 1")
        self.server.wait("drop")

    def test_busctl(self):
        """sd-bus as a client: introspection of every object, a property, a call."""
        def busctl(*args):
            return subprocess.run(
                ["busctl", "--address=" + self.server.address, *args], check=True,
                capture_output=True, text=True, timeout=PATIENCE).stdout

        for path in (ROOT, SESSION, ROOT + "/seat/seat0", ROOT + "/user/self"):
            self.assertIn(LOGIN1, busctl("introspect", LOGIN1, path))
        self.assertIn("TakeDevice", busctl("introspect", LOGIN1, SESSION))
        self.assertEqual(busctl("get-property", LOGIN1, SESSION, LOGIN1 + ".Session", "Seat"),
                         '(so) "seat0" "/org/freedesktop/login1/seat/seat0"\n')
        self.assertIn(SESSION, busctl("tree", LOGIN1))

    def test_other_user_namespace(self):
        """A client whose uid is another in its own user namespace gets in."""
        got = subprocess.run(
            ["unshare", "--user", "--map-user=4711", "--map-group=4711", "--", "gdbus", "call",
             "--address", self.server.address, "--dest", LOGIN1, "--object-path", ROOT, "--method",
             LOGIN1 + ".Manager.GetSession", "auto"], capture_output=True, text=True,
            timeout=PATIENCE)
        self.assertIn(SESSION, got.stdout, got.stderr)


HELLO = message(1, path="/org/freedesktop/DBus", interface="org.freedesktop.DBus",
                member="Hello", destination="org.freedesktop.DBus")
AUTH = b"\0AUTH ANONYMOUS\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n"


def get_id(serial, flags=0):
    return message(serial, flags=flags, path="/org/freedesktop/DBus",
                   interface="org.freedesktop.DBus", member="GetId",
                   destination="org.freedesktop.DBus")


class BadInput(Login1Test):
    def raw(self):
        link = socket.socket(socket.AF_UNIX)
        link.settimeout(PATIENCE)
        link.connect(self.server.path("bus"))
        self.addCleanup(link.close)
        return link

    def is_dropped(self, link):
        try:
            while link.recv(65536):
                pass
        except ConnectionError:
            pass
        return True

    def assert_alive(self):
        self.assertEqual(self.client().manager("GetSession", "(s)", "auto"), (SESSION,))

    def test_all_in_one_piece(self):
        """Handshake and first calls in one write are answered without another byte."""
        link = self.raw()
        link.sendall(AUTH + HELLO + get_id(2))
        got = b""
        while got.count(b"l\x02") < 2:
            got += link.recv(65536)
        self.assertIn(b"NameAcquired", got)

    def test_hello_comes_first(self):
        """A call before Hello is refused; Hello still works, once."""
        link = self.raw()
        link.sendall(AUTH + get_id(2))
        got = b""
        while b"AccessDenied" not in got:
            got += link.recv(65536)
        link.sendall(HELLO + HELLO)
        while b"Already handled" not in got:
            got += link.recv(65536)
        self.assertIn(b"NameAcquired", got)

    def test_garbage(self):
        for data in (b"GET / HTTP/1.0\r\n\r\n", b"\0AUTH NONSENSE\r\n" * 5000,
                     AUTH + b"\xff" * 64, AUTH + os.urandom(4096),
                     AUTH + struct.pack("<cBBBIII", b"l", 1, 0, 1, 2**31, 1, 2**31),
                     AUTH + HELLO + HELLO[:16] + b"\xff" * len(HELLO[16:]),
                     AUTH + HELLO + message(2, path="/", member="a" * 300)):
            link = self.raw()
            try:
                link.sendall(data)
                link.shutdown(socket.SHUT_WR)
            except OSError:
                pass
            self.assertTrue(self.is_dropped(link), data[:16])
        self.assert_alive()

    def test_half_a_message_holds_nobody_up(self):
        link = self.raw()
        link.sendall(AUTH + HELLO[:20])
        silent = self.raw()
        self.assert_alive()
        link.sendall(HELLO[20:])
        self.assertIn(b"NameAcquired"[:1], link.recv(65536))
        silent.close()

    def test_flood_without_reading(self):
        """Calls without end whose answers nobody reads: hung up on, others are served."""
        link = self.raw()
        link.sendall(AUTH + HELLO)
        burst = b"".join(get_id(n) for n in range(2, 500))
        with self.assertRaises(ConnectionError):
            for _ in range(10000):
                link.sendall(burst)
        self.assert_alive()

    def test_flood_with_reading(self):
        """A client that floods and reads has its turn, and so have the others."""
        link = self.raw()
        link.settimeout(0)
        link.setblocking(True)
        pid = os.fork()
        if pid == 0:
            try:
                link.sendall(AUTH + HELLO)
                burst = b"".join(get_id(n, flags=1) for n in range(2, 2000))
                while True:
                    link.sendall(burst)
            finally:
                os._exit(0)
        try:
            for _ in range(5):
                self.assert_alive()
        finally:
            os.kill(pid, 9)
            os.waitpid(pid, 0)

    def test_signals_and_replies_from_clients(self):
        """What nobody asked for is swallowed, also calls that want no reply."""
        link = self.raw()
        link.sendall(AUTH + HELLO)
        for kind, flags in ((4, 0), (2, 0), (3, 0), (1, 1)):
            link.sendall(message(7, kind=kind, flags=flags, path="/a", interface="b.c",
                                 member="d", destination="e.f"))
        link.sendall(get_id(9))
        got = b""
        while got.count(b"l\x02") < 2:
            got += link.recv(65536)
        self.assertNotIn(b"l\x03", got)

    def test_crowd(self):
        crowd = [self.raw() for _ in range(90)]
        for link in crowd:
            try:
                link.sendall(AUTH + HELLO)
            except ConnectionError:
                pass
        for link in crowd:
            link.close()
        self.assert_alive()

    def test_clients_that_vanish(self):
        """Clients that hang up at every stage of taking the card leave nothing behind."""
        stages = [b"", AUTH[:5], AUTH, AUTH + HELLO, AUTH + HELLO + message(
            2, path=SESSION, interface=LOGIN1 + ".Session", member="TakeControl",
            destination=LOGIN1, signature="b", body=b"\0\0\0\0")]
        stages.append(stages[-1] + message(
            3, path=SESSION, interface=LOGIN1 + ".Session", member="TakeDevice",
            destination=LOGIN1, signature="uu", body=struct.pack("<II", *DEVICE)))
        for data in stages:
            link = self.raw()
            link.sendall(data)
            if data == stages[-1]:
                self.server.wait("take 1")
            link.close()
        self.server.wait("drop")
        self.assertTrue(self.server.is_silent())
        self.assert_alive()


if __name__ == "__main__":
    unittest.main()
