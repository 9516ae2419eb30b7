#!/usr/bin/python3
"""A fake scanoutd on the bus of DBUS_SYSTEM_BUS_ADDRESS: `fake_scanoutd.py MODE`.

The mode says which scanouts it has, or how it goes wrong. Needs python3-dbus and python3-gi.
"""
import os
import sys
import time

import dbus
import dbus.service
from dbus.mainloop.glib import DBusGMainLoop
from gi.repository import GLib

from rig import BIG, CONTAINER, NAME, PATH


def scanout(index, **more):
    s = {"Id": f"card0-Virtual-{index + 1}", "Device": "/dev/dri/card0",
         "Index": dbus.UInt32(index), "State": "free", "Reason": "", "Label": "",
         "Holder": dbus.Dictionary({}, "sv"), "Since": dbus.UInt64(0),
         "Lessee": dbus.UInt32(0), "Generation": dbus.UInt64(0), "Width": dbus.UInt32(0),
         "Height": dbus.UInt32(0), "Refresh": dbus.UInt32(0), "Connector": dbus.UInt32(40),
         "Crtc": dbus.UInt32(41), "Planes": dbus.Array([33, 34], "u")}
    s.update(more)
    return s


def holder(**more):
    return dbus.Dictionary({k: dbus.UInt32(v) if isinstance(v, int) else v
                            for k, v in more.items()}, "sv")


def lease(index, label, who, **more):
    return scanout(index, State="leased", Label=label, Holder=who,
                   Since=dbus.UInt64(int((time.time() - 190) * 1e6)), Lessee=dbus.UInt32(7),
                   Generation=dbus.UInt64(BIG), Width=dbus.UInt32(1920),
                   Height=dbus.UInt32(1080), Refresh=dbus.UInt32(60000), **more)


POD = holder(uid=1000, pid=812, container=CONTAINER, engine="podman", unit="x.scope")
UNIT = holder(uid=0, pid=9, container="", engine="", unit="kiosk.service")


def scanouts(mode):
    return {
        "normal": [scanout(0), lease(1, "desk", POD), lease(2, "twin", UNIT),
                   lease(3, "twin", holder(uid=0, pid=123)),
                   scanout(4, State="stuck", Reason="its CRTC does not blank"),
                   scanout(5, NewThing=dbus.Struct((1, "a")), Label="4")],
        "paused": [lease(0, "desk", POD, Linger=dbus.UInt64(1500000)),
                   scanout(1, State="draining", Reason="the last picture lingers for 5 s",
                           Linger=dbus.UInt64(5000000))],
        "cards": [scanout(0), scanout(1), {**scanout(0), "Id": "card1-Virtual-3",
                                           "Device": "/dev/dri/card1"},
                  {**scanout(1), "Id": "card2-Virtual-4", "Device": "/dev/dri/card2",
                   "State": "absent"}],
        "warned": [lease(n, "", UNIT) if n < 5 else scanout(n, PreferredWidth=dbus.UInt32(5120),
                                                                PreferredHeight=dbus.UInt32(2160))
                   for n in range(16)] + [scanout(16, State="absent")],
        # As of a card that every test may have, and of one that is gone.
        "nodes": [{**scanout(n), "Device": "/dev/null"} for n in range(3)]
                 + [{**scanout(3), "Id": "card1-Virtual-4", "Device": "/dev/gone/card1"}],
        "late": [{**scanout(0), "Device": "/dev/null"}],
        "empty": [],
        "garbage": [{}, {"Id": 5, "State": dbus.Array([], "s"), "Index": "x", "Holder": "me"},
                    {"Label": "\x1b[31mred\n", "Id": "card9-é", "Since": dbus.UInt64(2**64 - 1),
                     "Width": dbus.UInt32(1), "Height": dbus.UInt32(2), "Deep": dbus.Dictionary(
                         {1: dbus.Array([dbus.Array([dbus.Byte(3)], "y")], "ay")}, "iaay"),
                     "Low": dbus.Int64(-5), "Num": 1.5, "Yes": True, "Sig": dbus.Signature("as")}],
    }.get(mode, [])


WARNINGS = ["Exclude= names card0-Virtual-9, but there is none", "Try max_hostmem=1G"]


class Error(dbus.DBusException):
    def __init__(self, name, text):
        super().__init__(text, name=name if "." in name else f"{NAME}.Error.{name}")


class Service(dbus.service.Object):
    def __init__(self, bus, mode):
        super().__init__(bus, PATH)
        self.mode = mode
        self.n_listed = 0

    @dbus.service.method(NAME + ".Manager", out_signature="aa{sv}")
    def ListScanouts(self):
        if self.mode == "silent-death":
            os._exit(1)
        if self.mode == "version":
            raise Error("org.freedesktop.DBus.Error.UnknownMethod", "no such method")
        self.n_listed += 1
        if self.mode == "late" and self.n_listed < 3:
            # Not in the answer, and not with the first thing that happens.
            self.ScanoutEnded(PATH + "/card0_2dVirtual_2d1", "released")
            return dbus.Array([], "a{sv}")
        return dbus.Array(scanouts(self.mode), "a{sv}")  # leased 190 s ago, whenever that is

    @dbus.service.method(NAME + ".Manager", in_signature="s")
    def ReleaseScanout(self, lease_id):
        if lease_id != f"card0-Virtual-2#{BIG}":
            raise Error("ScanoutBusy", f"'{lease_id}' is not that lease.")
        self.ScanoutEnded(PATH + "/card0_2dVirtual_2d2", "released")

    @dbus.service.method(NAME + ".Manager", in_signature="a{sv}", out_signature="hoa{sv}")
    def RequestScanout(self, options):
        if options.get("label") == "full":
            raise Error("NoFreeScanout", "All are leased. Wait with --timeout.")
        fd = os.open("/dev/null", os.O_RDWR)
        info = {"id": "card0-Virtual-1", "index": dbus.UInt32(0), "device": "/dev/dri/card0",
                "planes": dbus.Array([1, 2], "u"), "mode": dbus.Struct([dbus.UInt32(n) for n in (1, 2, 3)]),
                "generation": dbus.UInt64(BIG)}
        if self.mode == "garbage":
            del info["index"]
        if options.get("spare"):
            info["spare_fd"] = dbus.types.UnixFd(fd)
        for key, value in options.items():
            info["option-" + key] = value
        path = dbus.ObjectPath(PATH + "/card0_2dVirtual_2d1")
        self.ScanoutLeased(path, info if not options.get("spare") else {})
        unix_fd = dbus.types.UnixFd(fd)
        os.close(fd)
        return unix_fd, path, dbus.Dictionary(info, "sv")

    @dbus.service.method("org.freedesktop.DBus.Properties", "s", "a{sv}")
    def GetAll(self, interface):
        if self.mode == "garbage":
            return {"Version": 5}
        return {"Version": "0", "Free": dbus.UInt32(1),
                "Total": dbus.UInt32(len(scanouts(self.mode))),
                "Paused": self.mode == "paused", "Warnings": dbus.Array(
                    WARNINGS if self.mode == "warned" else [], "s")}

    @dbus.service.method("org.freedesktop.DBus.Properties", "ss", "v")
    def Get(self, interface, name):
        return self.GetAll(interface)[name]

    @dbus.service.signal(NAME + ".Manager", "oa{sv}")
    def ScanoutLeased(self, path, info):
        pass

    @dbus.service.signal(NAME + ".Manager", "os")
    def ScanoutEnded(self, path, reason):
        pass

    @dbus.service.signal("org.freedesktop.DBus.Properties", "sa{sv}as")
    def PropertiesChanged(self, interface, changed, invalidated):
        pass

    @dbus.service.signal("org.freedesktop.DBus.ObjectManager", "oa{sa{sv}}")
    def InterfacesAdded(self, path, interfaces):
        pass

    @dbus.service.signal("org.freedesktop.DBus.ObjectManager", "oas")
    def InterfacesRemoved(self, path, interfaces):
        pass

    @dbus.service.signal(NAME + ".Manager", "u")
    def Unknown(self, number):
        pass

    @dbus.service.signal("org.freedesktop.DBus.ObjectManager", "s")
    def Malformed(self, text):
        pass

    @dbus.service.method(NAME + ".Test")
    def EmitAll(self):
        path = PATH + "/card0_2dVirtual_2d2"
        interface = NAME + ".Scanout"
        self.Unknown(5)
        self.PropertiesChanged(interface, {"State": "leased", "Holder": POD,
                                           "Label": ""}, ["Width"])
        self.InterfacesAdded(path, {"org.freedesktop.DBus.Peer": {}, interface: scanout(1)})
        self.InterfacesRemoved(path, [interface])


class Systemd(dbus.service.Object):
    """Starts units, each after the last one; those of Virtual-2 fail."""
    INTERFACE = "org.freedesktop.systemd1.Manager"

    def __init__(self, bus):
        super().__init__(bus, "/org/freedesktop/systemd1")
        self.n_jobs = 0
        self.n_ended = 0
        self.subscribed = False

    @dbus.service.method(INTERFACE)
    def Subscribe(self):
        self.subscribed = True

    @dbus.service.method(INTERFACE, in_signature="ss", out_signature="o")
    def StartUnit(self, name, mode):
        if "Virtual-3" in name:
            raise Error("org.freedesktop.systemd1.NoSuchUnit", f"Unit {name} not found.")
        self.n_jobs += 1
        GLib.timeout_add(100 * self.n_jobs, self.end, self.n_jobs, name)
        return dbus.ObjectPath(f"/org/freedesktop/systemd1/job/{self.n_jobs}")

    def end(self, job, name):
        self.n_ended += 1
        if self.subscribed:
            self.JobRemoved(job, f"/org/freedesktop/systemd1/job/{job}", name,
                            "failed" if "Virtual-2" in name else "done")

    @dbus.service.method(INTERFACE, out_signature="uu")
    def Jobs(self):
        """How many there were, and how many of them have ended."""
        return self.n_jobs, self.n_ended

    @dbus.service.signal(INTERFACE, "uoss")
    def JobRemoved(self, number, job, unit, result):
        pass


def main():
    bus = dbus.bus.BusConnection(os.environ["DBUS_SYSTEM_BUS_ADDRESS"], mainloop=DBusGMainLoop())
    service = Service(bus, sys.argv[1])
    bus.request_name(NAME)
    systemd = Systemd(bus)
    bus.request_name("org.freedesktop.systemd1")
    assert service and systemd
    print("serving", flush=True)
    GLib.MainLoop().run()


if __name__ == "__main__":
    main()
