#!/usr/bin/python3
"""login1 on the mini bus, through GDBus."""
import os
import unittest

from gi.repository import Gio, GLib

from gdbus import DEVICE, LOGIN1, ROOT, SESSION, Login1Test, iterate_until


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
                GLib.Variant("(s)", (interface,)), None, 0, GLib.MAXINT, None).get_child_value(0)
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
        proxy = Gio.DBusProxy(
            g_connection=client.link, g_flags=Gio.DBusProxyFlags.DO_NOT_AUTO_START,
            g_name=LOGIN1, g_object_path=SESSION, g_interface_name=LOGIN1 + ".Session",
            g_default_timeout=GLib.MAXINT)
        proxy.init(None)
        self.assertEqual(proxy.get_name_owner(), ":0.0")
        self.assertTrue(proxy.get_cached_property("Active").unpack())
        client.session("TakeControl", "(b)", False)
        client.take()
        seen = []

        def on_change(_proxy, changed, _invalidated):
            seen.append(changed.unpack()["Active"])

        def on_signal(_proxy, _sender, name, args):
            seen.append((name, args.unpack()[:3]))

        proxy.connect("g-properties-changed", on_change)
        proxy.connect("g-signal", on_signal)
        self.server.command("blink")
        iterate_until(lambda: True in seen)
        self.assertEqual(seen, [("PauseDevice", (*DEVICE, "pause")), False,
                                ("ResumeDevice", (*DEVICE, 0)), True])

    def test_lock_reaches_the_session(self):
        client = self.client()
        seen = []
        client.link.signal_subscribe(LOGIN1, LOGIN1 + ".Session", None, SESSION, None, 0,
                                     lambda *args: seen.append(args[4]))
        client.session("Lock")
        iterate_until(lambda: seen)
        self.assertEqual(seen, ["Lock"])


if __name__ == "__main__":
    unittest.main()
