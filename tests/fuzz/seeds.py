#!/usr/bin/python3
"""Write seeds for the fuzz targets: `seeds.py FOLDER` fills FOLDER/fuzz_*/."""
import os
import pathlib
import struct
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests" / "seat"))

from dbus_message import message  # noqa: E402

LOGIN1 = "org.freedesktop.login1"
PATH = "/org/freedesktop/login1"
SESSION = PATH + "/session/scanout3"


def call(serial, path, interface, member, signature=None, body=b"", name=LOGIN1):
    return message(serial, path=path, interface=interface, member=member, destination=name,
                   signature=signature, body=body)


def string(text):
    return struct.pack("<I", len(text)) + text.encode() + b"\0"


def login1():
    session = LOGIN1 + ".Session"
    manager = LOGIN1 + ".Manager"
    properties = "org.freedesktop.DBus.Properties"
    device = struct.pack("<II", os.major(os.stat("/dev/null").st_rdev),
                         os.minor(os.stat("/dev/null").st_rdev))
    control = call(2, SESSION, session, "TakeControl", "b", b"\0\0\0\0")
    take = call(3, SESSION, session, "TakeDevice", "uu", device)
    release = call(4, SESSION, session, "ReleaseDevice", "uu", device)
    driver = ("/org/freedesktop/DBus", "org.freedesktop.DBus")
    yield from (
        control + take + release, control + take,
        control + call(5, SESSION, session, "TakeDevice", "uu", struct.pack("<II", 13, 64)),
        control + call(5, SESSION, session, "SetType", "s", string("x11")),
        call(5, SESSION, session, "SetLockedHint", "b", struct.pack("<I", 1)),
        call(5, SESSION, session, "Lock"),
        call(5, SESSION, properties, "GetAll", "s", string(session)),
        call(5, SESSION, "org.freedesktop.DBus.Introspectable", "Introspect"),
        call(5, PATH, manager, "GetSession", "s", string("auto")),
        call(5, PATH, manager, "GetUser", "u", struct.pack("<I", 1000)),
        call(5, PATH, manager, "ListSessions"),
        call(5, PATH, manager, "Inhibit", "ssss", string("sleep") + b"\0\0" + string("aaa")
             + string("bbb") + string("delay")),
        call(5, PATH + "/user/self", properties, "GetAll", "s", string(LOGIN1 + ".User")),
        call(5, PATH + "/seat/seat0", LOGIN1 + ".Seat", "SwitchTo", "u", b"\1\0\0\0"),
    )
    for member in ("GetNameOwner", "NameHasOwner", "GetConnectionCredentials", "AddMatch"):
        yield call(5, *driver, member, "s", string(LOGIN1), name="org.freedesktop.DBus")
    yield call(5, *driver, "ListNames", name="org.freedesktop.DBus")


def front():
    """Every interface that a guest finds."""
    name, path = "org.scanoutd.Scanout1", "/org/scanoutd/Scanout1"
    manager, properties = name + ".Manager", "org.freedesktop.DBus.Properties"
    driver = ("/org/freedesktop/DBus", "org.freedesktop.DBus")
    hello = call(1, *driver, "Hello", name="org.freedesktop.DBus")

    def options(*entries):
        body = b""
        for key, signature, value in entries:
            body += bytes(-len(body) % 8) + string(key) + bytes([len(signature)]) + signature + b"\0"
            body += bytes(-len(body) % 4) + value
        return struct.pack("<II", len(body), 0) + body
    for begin in (b"", hello):
        yield from (
            begin + call(2, path, manager, "RequestScanout", "a{sv}",
                         options(("label", b"s", string("desk"))), name=name),
            begin + call(2, path, manager, "RequestScanout", "a{sv}",
                         options(("for", b"h", b"\0\0\0\0")), name=name),
            begin + call(2, path, manager, "ReleaseScanout", "s", string("card0-Virtual-1"), name=name),
            begin + call(2, path, manager, "ListScanouts", name=name) * 3,
            begin + call(2, path, properties, "GetAll", "s", string(manager), name=name),
            begin + call(2, path, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", name=name),
            begin + call(2, "/", "org.freedesktop.DBus.Introspectable", "Introspect", name=":1.0"),
            begin + call(2, "/", "org.freedesktop.DBus.Peer", "Ping", name=name),
            begin + call(2, "/", "org.freedesktop.DBus.Peer", "Ping", name=":1.7"),
            begin + call(2, path, name + ".Agent", "ServeGuest", "hh", bytes(8), name=name),
        )
    for member in ("GetNameOwner", "NameHasOwner", "ListQueuedOwners", "GetConnectionUnixUser",
                   "GetConnectionUnixProcessID", "GetConnectionCredentials", "AddMatch",
                   "GetConnectionSELinuxSecurityContext", "ReleaseName"):
        yield hello + call(5, *driver, member, "s", string(name), name="org.freedesktop.DBus")
    for member in ("StartServiceByName", "RequestName"):
        yield hello + call(5, *driver, member, "su", string(name) + b"\0\0" + bytes(4),
                           name="org.freedesktop.DBus")
    for member in ("ListNames", "ListActivatableNames", "GetId"):
        yield hello + call(5, *driver, member, name="org.freedesktop.DBus")
    yield hello + call(5, driver[0], driver[1] + ".Monitoring", "BecomeMonitor", "asu", bytes(8),
                       name="org.freedesktop.DBus")


def seatd():
    def request(opcode, payload=b""):
        return struct.pack("=HH", opcode, len(payload)) + payload

    def open_device(path):
        return request(3, struct.pack("=H", len(path) + 1) + path + b"\0")

    opened = request(1) + open_device(b"/dev/null")
    yield from (opened, opened + request(4, struct.pack("=i", 1)) + request(2),
                opened + request(5) + request(7), request(1) + request(6, struct.pack("=i", 2)),
                request(1) + open_device(b"/dev/input/event0"), request(1) + request(2) * 2)


def weston_launch():
    def packet(data):
        return bytes([len(data)]) + data

    opened = packet(struct.pack("=ii", 0, 2) + b"/dev/null\0")
    yield from (opened, opened * 2, opened + packet(struct.pack("=i", 2)),
                packet(struct.pack("=ii", 0, 2) + b"/dev/input/event0\0"))


def listener():
    """Pictures of 64x48: shared, sent, parts of them, and none."""
    path, name = "/org/qemu/Display1/Listener", "org.qemu.Display1.Listener"

    def say(serial, member, signature=None, body=b"", interface=name, fds=0):
        return message(serial, path=path, interface=interface, member=member, signature=signature,
                       body=body, fds=fds)

    def array(data):
        return struct.pack("<I", len(data)) + data
    form, pixels = 0x20020888, bytes(64 * 48 * 4)
    shown = say(2, "ScanoutMap", "huuuuu", struct.pack("<6I", 0, 0, 64, 48, 256, form),
                name + ".Unix.Map", fds=1)
    touched = say(3, "UpdateMap", "iiii", struct.pack("<4i", 0, 0, 64, 48), name + ".Unix.Map")
    sent = say(4, "Scanout", "uuuuay", struct.pack("<4I", 64, 48, 256, form) + array(pixels))
    part = say(5, "Update", "iiiiuuay", struct.pack("<4i2I", 8, 8, 2, 2, 8, form) + array(bytes(16)))
    none = say(6, "Disable")
    yield from (
        shown + touched, touched + shown, shown + none + touched, sent + part, part + sent,
        shown + sent + part, sent + shown + touched, shown + touched + shown,
        say(2, "ScanoutDMABUF", "huuuutb", struct.pack("<5I", 0, 64, 48, 256, 0) + bytes(16), fds=1),
        say(2, "MouseSet", "iii", bytes(12)),
        say(2, "CursorDefine", "iiiiay", bytes(16) + array(bytes(4))),
        say(2, "GetAll", "s", string(name), "org.freedesktop.DBus.Properties"),
        say(2, "Introspect", interface="org.freedesktop.DBus.Introspectable"),
        say(2, "Disconnected", interface="org.freedesktop.DBus.Local"),
    )


def link():
    """Lines of both sides, right ones and wrong ones."""
    hello = b'{"hello":{"version":1,"program":"x 0.1"}}\n'
    ready = b'{"ready":{"daemon":true}}\n'
    end = b'{"end":{"scanout":"card0-Virtual-3","reason":"device-gone"}}\n'

    def grant(head, label):
        return (b'{"grant":{"scanout":"card0-Virtual-%d","device":"pci/0000/02.0","head":%d,"label":"%s",'
                b'"container":"c","width":1920,"height":1080}}\n' % (head + 1, head, label))
    yield from (
        b"\n" + hello + ready, hello + grant(2, b"desk") + ready + end + grant(2, b"desk"),
        hello + grant(1, b"a") + grant(2, b"a") + ready, grant(0, b"..") + grant(0, b"a/b"),
        grant(1023, b"a") + grant(1024, b"a"), b"x" * 5000 + b"\n" + hello, b"\0\n" + hello,
        b'{"hello":{"version":1e99,"program":"\\u001b"}}\n', b'{"later":[{}]}\n', b"[[[[\n", b'{"end":')


def main():
    folder = pathlib.Path(sys.argv[1])
    for name, seeds, flags in (("front", front, range(2)), ("login1", login1, range(4)),
                               ("listener", listener, (2, 6, 0, 1)), ("link", link, (None,)),
                               ("seatd", seatd, range(8)), ("weston_launch", weston_launch, (None,))):
        target = folder / f"fuzz_{name}"
        target.mkdir(parents=True, exist_ok=True)
        for number, seed in enumerate(seeds()):
            for flag in flags:
                data = seed if flag is None else bytes([flag]) + seed
                (target / f"{number}-{flag or 0}").write_bytes(data)


if __name__ == "__main__":
    main()
