"""A GDBus client of the mini bus, and what the tests of it share."""
import os

import gi

from server import ServerTest

gi.require_version("Gio", "2.0")
from gi.repository import Gio, GLib  # noqa: E402

LOGIN1 = "org.freedesktop.login1"
ROOT = "/org/freedesktop/login1"
SESSION = ROOT + "/session/scanout3"
DRIVER = ("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus")
DEVICE = (os.major(os.stat("/dev/null").st_rdev), os.minor(os.stat("/dev/null").st_rdev))
FLAGS = (Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT
         | Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION)


def iterate_until(condition):
    """What arrives for GDBus is handled until then."""
    while not condition():
        GLib.MainContext.default().iteration(True)


class Gdbus:
    """One GDBus connection."""

    def __init__(self, address):
        self.link = Gio.DBusConnection.new_for_address_sync(address, FLAGS, None, None)

    def call(self, name, path, interface, method, args=None):
        """The reply's values, and its descriptors."""
        reply, fds = self.link.call_with_unix_fd_list_sync(
            name, path, interface, method, args, None, Gio.DBusCallFlags.NO_AUTO_START,
            GLib.MAXINT, None, None)
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
