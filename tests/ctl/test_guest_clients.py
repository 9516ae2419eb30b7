#!/usr/bin/python3
"""The guest socket through the usual D-Bus libraries, each used as it is with a bus: properties,
methods, descriptors, signals. Needs dbus-monitor, gdbus, busctl, qdbus, and from Debian python3-gi,
python3-dbus and python3-dbus-next."""
import asyncio
import os
import select
import socket
import subprocess
import unittest

import dbus
import dbus.bus
import dbus_next
import dbus_next.aio
import gi
from dbus.mainloop.glib import DBusGMainLoop

from guest_rig import GuestCase
from rig import NAME, PATH

gi.require_version("Gio", "2.0")
from gi.repository import Gio, GLib  # noqa: E402

MANAGER = NAME + ".Manager"
DRIVER = ("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus")
ERROR = "org.freedesktop.DBus.Error."
AS_BUS = (Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT
          | Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION)


def run_until(condition):
    """Runs GLib's main loop until the condition holds. An alarm (patience.py) ends its wait."""
    while not condition():
        GLib.MainContext.default().iteration(True)


class Gdbus(GuestCase):
    def connect(self):
        return Gio.DBusConnection.new_for_address_sync(self.address, AS_BUS, None, None)

    def test_proxy(self):
        """A GDBusProxy without flags, which starts the service, asks for its owner, and hears what
        that sends."""
        link = self.connect()
        manager = Gio.DBusProxy.new_sync(link, Gio.DBusProxyFlags.NONE, None, NAME, PATH, MANAGER,
                                         None)
        self.assertEqual(manager.get_name_owner(), ":1.0")
        self.assertEqual(manager.get_cached_property("Free").unpack(), 4)
        heard = []
        manager.connect("g-signal", lambda _p, _s, name, args: heard.append((name, args[0])))
        reply, fds = manager.call_with_unix_fd_list_sync(
            "RequestScanout", GLib.Variant("(a{sv})", ({"label": GLib.Variant("s", "me")},)),
            Gio.DBusCallFlags.NONE, -1, None, None)
        path = reply.unpack()[1]
        run_until(lambda: manager.get_cached_property("Free").unpack() == 3)
        self.assertEqual(heard, [("ScanoutLeased", path)])
        scanout = Gio.DBusProxy.new_sync(link, Gio.DBusProxyFlags.NONE, None, NAME, path,
                                         NAME + ".Scanout", None)
        self.assertEqual(scanout.get_cached_property("Label").unpack(), "me")
        for fd in fds.steal_fds():
            os.close(fd)
        run_until(lambda: manager.get_cached_property("Free").unpack() == 4)
        self.assertEqual(heard[1:], [("ScanoutEnded", path)])

    def test_object_manager(self):
        """A GDBusObjectManagerClient sees its own scanouts come and go."""
        link = self.connect()
        objects = Gio.DBusObjectManagerClient.new_sync(
            link, Gio.DBusObjectManagerClientFlags.NONE, NAME, PATH, None, None, None)
        self.assertEqual(objects.get_objects(), [])
        _reply, fds = link.call_with_unix_fd_list_sync(
            NAME, PATH, MANAGER, "RequestScanout", GLib.Variant("(a{sv})", ({},)), None,
            Gio.DBusCallFlags.NONE, -1, None, None)
        run_until(objects.get_objects)
        for fd in fds.steal_fds():
            os.close(fd)
        run_until(lambda: not objects.get_objects())

    def test_driver(self):
        """What a bus daemon answers about names and connections, and what it refuses."""
        link = self.connect()

        def ask(method, signature="()", *args):
            return link.call_sync(*DRIVER, method, GLib.Variant(signature, args), None,
                                  Gio.DBusCallFlags.NONE, GLib.MAXINT, None).unpack()

        def refused(name, function, *args):
            with self.assertRaises(GLib.Error) as raised:
                function(*args)
            self.assertEqual(Gio.DBusError.get_remote_error(raised.exception), ERROR + name)
            return raised.exception.message

        names = [DRIVER[0], NAME, ":1.0", ":1.1"]
        self.assertEqual(link.get_unique_name(), ":1.1")
        self.assertEqual(ask("ListNames"), (names,))
        self.assertEqual(ask("ListActivatableNames"), (names[:2],))
        for name, owner in zip(names, (names[0], ":1.0", ":1.0", ":1.1")):
            self.assertEqual(ask("GetNameOwner", "(s)", name), (owner,))
            self.assertEqual(ask("ListQueuedOwners", "(s)", name), ([owner],))
            self.assertEqual(ask("NameHasOwner", "(s)", name), (True,))
            self.assertEqual(ask("StartServiceByName", "(su)", name, 0), (2,))
            pid = os.getpid() if name == ":1.1" else self.server_pid
            self.assertEqual(ask("GetConnectionUnixProcessID", "(s)", name), (pid,))
            self.assertEqual(ask("GetConnectionUnixUser", "(s)", name), (os.getuid(),))
            self.assertEqual(ask("GetConnectionCredentials", "(s)", name),
                             ({"UnixUserID": os.getuid(), "ProcessID": pid},))
            refused("SELinuxSecurityContextUnknown", ask, "GetConnectionSELinuxSecurityContext",
                    "(s)", name)
        self.assertRegex(ask("GetId")[0], "^[0-9a-f]{32}$")
        self.assertEqual(ask("ReleaseName", "(s)", "org.example.A"), (2,))
        self.assertEqual(ask("ReleaseName", "(s)", NAME), (3,))

        self.assertEqual(ask("NameHasOwner", "(s)", "org.example.A"), (False,))
        said = refused("ServiceUnknown", ask, "StartServiceByName", "(su)", "org.example.A", 0)
        self.assertIn(f"'org.example.A' is not here: this socket leads to {NAME} alone", said)
        for method in ("GetNameOwner", "ListQueuedOwners", "GetConnectionUnixUser",
                       "GetConnectionUnixProcessID", "GetConnectionCredentials",
                       "GetConnectionSELinuxSecurityContext"):
            refused("NameHasNoOwner", ask, method, "(s)", "org.example.A")
        said = refused("AccessDenied", ask, "RequestName", "(su)", "org.example.A", 0)
        self.assertIn("cannot be had", said)

        def ping(name):
            return link.call_sync(name, "/", "org.freedesktop.DBus.Peer", "Ping", None, None,
                                  Gio.DBusCallFlags.NONE, GLib.MAXINT, None)
        for name in names[:3]:
            ping(name)
        refused("ServiceUnknown", ping, "org.freedesktop.login1")
        refused("NameHasNoOwner", ping, ":1.7")


class Handshake(GuestCase):
    def test_hello_comes_first(self):
        """Whatever happens before a client has said Hello, the first thing that it reads is the
        answer to that."""
        other = dbus.bus.BusConnection(self.address)
        client = socket.socket(socket.AF_UNIX)
        self.addCleanup(client.close)
        client.connect(self.address.removeprefix("unix:path="))
        client.sendall(b"\0AUTH ANONYMOUS 30\r\n")
        self.assertRegex(client.recv(100), b"^OK [0-9a-f]{32}\r\n$")
        client.sendall(b"BEGIN\r\n")
        manager = other.get_object(NAME, PATH)
        fd = manager.RequestScanout({}, dbus_interface=MANAGER)[0].take()
        manager.ListScanouts(dbus_interface=MANAGER)
        hello = Gio.DBusMessage.new_method_call(*DRIVER, "Hello")
        hello.set_serial(1)
        client.sendall(hello.to_blob(Gio.DBusCapabilityFlags.NONE))
        self.assertEqual(client.recv(2), bytes([ord("l"), Gio.DBusMessageType.METHOD_RETURN]))
        os.close(fd)
        other.close()


class Libdbus(GuestCase):
    def test_python(self):
        """dbus-python: an object by its name, a property, a call with a descriptor, a signal of
        the service by its well-known name."""
        link = dbus.bus.BusConnection(self.address, mainloop=DBusGMainLoop())
        heard = []
        link.add_signal_receiver(lambda path, *_: heard.append(path), "ScanoutLeased", MANAGER,
                                 bus_name=NAME)
        link.add_signal_receiver(lambda path, why: heard.append((path, why)), "ScanoutEnded",
                                 MANAGER, bus_name=NAME)
        manager = link.get_object(NAME, PATH)
        self.assertEqual(manager.bus_name, ":1.0")
        self.assertEqual(manager.Get(MANAGER, "Free", dbus_interface=dbus.PROPERTIES_IFACE), 4)
        fd, path, _info = manager.RequestScanout({"label": "me"}, dbus_interface=MANAGER)
        run_until(lambda: heard)
        os.close(fd.take())
        run_until(lambda: len(heard) == 2)
        self.assertEqual(heard, [path, (path, "closed")])
        with self.assertRaises(dbus.DBusException) as raised:
            link.get_object("org.freedesktop.login1", "/org/freedesktop/login1")
        self.assertEqual(raised.exception.get_dbus_name(), ERROR + "ServiceUnknown")
        link.close()


class Tools(GuestCase):
    def check_monitor(self, *command):
        """A monitor prints what the guest hears. When it begins to listen cannot be seen, so there
        are leases until it has seen one."""
        manager = dbus.bus.BusConnection(self.address).get_object(NAME, PATH)
        said = b""
        with subprocess.Popen(command, stdout=subprocess.PIPE) as monitor:
            os.set_blocking(monitor.stdout.fileno(), False)
            n_leases = 0
            while b"ScanoutLeased" not in said:
                n_leases += 1
                self.assertLess(n_leases, 1000, said)
                self.assertIsNone(monitor.poll(), said)
                fd, _path, _info = manager.RequestScanout({}, dbus_interface=MANAGER)
                os.close(fd.take())
                select.select([monitor.stdout], [], [], 0.2)
                said += monitor.stdout.read() or b""
            monitor.terminate()

    def test_monitors(self):
        self.check_monitor("dbus-monitor", "--address", self.address)
        self.check_monitor("busctl", f"--address={self.address}", "monitor")
        self.check_monitor("gdbus", "monitor", "--address", self.address, "-d", NAME)

    def test_busctl(self):
        def busctl(*command):
            return self.run_tool("busctl", f"--address={self.address}", "--no-pager", *command)
        link = dbus.bus.BusConnection(self.address)  # so that one front serves all of them
        self.addCleanup(link.close)
        said = busctl("list", "--no-legend")
        self.assertRegex(said, rf"(?m)^{NAME} +{self.server_pid} .* :1\.0 ")
        self.assertIn(PATH, busctl("tree"))
        self.assertIn("RequestScanout", busctl("introspect", NAME, PATH))
        self.assertIn(f"PID={self.server_pid}\n", busctl("status", NAME))
        self.assertEqual(busctl("get-property", NAME, PATH, MANAGER, "Free"), "u 4\n")

    def test_gdbus(self):
        said = self.run_tool("gdbus", "introspect", "--address", self.address, "-d", NAME, "-o",
                             PATH)
        self.assertIn("RequestScanout", said)
        self.assertIn("readonly u Free = 4;", said)

    def test_qdbus(self):
        """QtDBus."""
        def qdbus(*command):
            return self.run_tool("/usr/lib/qt5/bin/qdbus", "--bus", self.address, *command)
        self.assertEqual(qdbus().split(), [":1.0", NAME, ":1.1", DRIVER[0]])
        self.assertIn(PATH + "\n", qdbus(NAME))
        self.assertIn("RequestScanout", qdbus(NAME, PATH))
        self.assertEqual(qdbus(NAME, PATH, MANAGER + ".Free"), "4\n")


class DbusNext(GuestCase):
    async def use(self):
        link = await dbus_next.aio.MessageBus(bus_address=self.address,
                                              negotiate_unix_fd=True).connect()
        self.assertEqual(link.unique_name, ":1.1")
        described = await link.introspect(NAME, PATH)
        manager = link.get_proxy_object(NAME, PATH, described).get_interface(MANAGER)
        leased = asyncio.get_running_loop().create_future()
        manager.on_scanout_leased(lambda path, _info: leased.set_result(path))
        self.assertEqual(await manager.get_free(), 4)
        reply = await link.call(dbus_next.Message(
            destination=NAME, path=PATH, interface=MANAGER, member="RequestScanout",
            signature="a{sv}", body=[{"label": dbus_next.Variant("s", "me")}]))
        self.assertEqual(await leased, reply.body[1])
        for fd in reply.unix_fds:
            os.close(fd)
        link.disconnect()
        await link.wait_for_disconnect()

    def test_dbus_next(self):
        """A library in Python alone, which compares a signal's sender with the owner of the
        name."""
        asyncio.run(self.use())


if __name__ == "__main__":
    unittest.main()
