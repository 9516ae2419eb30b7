#!/usr/bin/python3
"""The mini bus itself, through GDBus, libdbus and sd-bus."""
import os
import subprocess
import unittest

import dbus
import dbus.bus

from gdbus import DEVICE, LOGIN1, ROOT, SESSION, Login1Test


class Driver(Login1Test):
    def test_names(self):
        client = self.client()
        own = client.link.get_unique_name()
        self.assertEqual(client.driver("GetNameOwner", "(s)", LOGIN1), (":0.0",))
        self.assertEqual(client.driver("GetNameOwner", "(s)", own), (own,))
        self.assertEqual(client.driver("NameHasOwner", "(s)", LOGIN1), (True,))
        self.assertEqual(client.driver("NameHasOwner", "(s)", "org.example.No"), (False,))
        self.assertEqual(client.driver("ListNames")[0],
                         ["org.freedesktop.DBus", LOGIN1, ":0.0", own])
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
                ["busctl", "--timeout=infinity", "--address=" + self.server.address, *args],
                check=True, capture_output=True, text=True).stdout

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
             "--timeout", "86400", "--address", self.server.address, "--dest", LOGIN1,
             "--object-path", ROOT, "--method", LOGIN1 + ".Manager.GetSession", "auto"], capture_output=True, text=True)
        self.assertIn(SESSION, got.stdout, got.stderr)


if __name__ == "__main__":
    unittest.main()
