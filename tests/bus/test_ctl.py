#!/usr/bin/python3
"""scanoutctl against a fake scanoutd on a private bus.

SCANOUTCTL names the program under test, build/scanoutctl by default. Needs dbus-daemon,
python3-dbus and python3-gi. `test_ctl.py --serve MODE` is the fake service; the modes are the
methods named mode_*.
"""
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SCANOUTCTL = os.environ.get("SCANOUTCTL", os.path.join(ROOT, "build", "scanoutctl"))
NAME = "org.scanoutd.Scanout1"
PATH = "/org/scanoutd/Scanout1"
CONTAINER = "1a2b3c4d5e6f" + "0" * 52
BIG = 2**53 + 1  # not a double

BUS_CONFIG = """<busconfig><type>session</type><listen>unix:path={dir}/bus</listen>
<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/>
<allow own="*"/>{deny}</policy></busconfig>"""
DENY = f'<deny send_destination="{NAME}"/>'


def serve(mode):
    import dbus
    import dbus.service
    from dbus.mainloop.glib import DBusGMainLoop
    from gi.repository import GLib

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

    pod = holder(uid=1000, pid=812, container=CONTAINER, engine="podman", unit="x.scope")
    unit = holder(uid=0, pid=9, container="", engine="", unit="kiosk.service")
    scanouts = {
        "normal": [scanout(0), lease(1, "desk", pod), lease(2, "twin", unit),
                   lease(3, "twin", holder(uid=0, pid=123)),
                   scanout(4, State="stuck", Reason="its CRTC does not blank"),
                   scanout(5, NewThing=dbus.Struct((1, "a")), Label="4")],
        "good": [scanout(0), lease(1, "desk", pod)],
        "paused": [lease(0, "desk", pod, Linger=dbus.UInt64(1500000)),
                   scanout(1, State="draining", Reason="the last picture lingers for 5 s",
                           Linger=dbus.UInt64(5000000))],
        "cards": [scanout(0), scanout(1), {**scanout(0), "Id": "card1-Virtual-3",
                                           "Device": "/dev/dri/card1"},
                  {**scanout(1), "Id": "card2-Virtual-4", "Device": "/dev/dri/card2",
                   "State": "absent"}],
        "empty": [],
        "garbage": [{}, {"Id": 5, "State": dbus.Array([], "s"), "Index": "x", "Holder": "me"},
                    {"Label": "\x1b[31mred\n", "Id": "card9-é", "Since": dbus.UInt64(2**64 - 1),
                     "Width": dbus.UInt32(1), "Height": dbus.UInt32(2), "Deep": dbus.Dictionary(
                         {1: dbus.Array([dbus.Array([dbus.Byte(3)], "y")], "ay")}, "iaay"),
                     "Low": dbus.Int64(-5), "Num": 1.5, "Yes": True, "Sig": dbus.Signature("as")}],
    }.get(mode, [])

    class Error(dbus.DBusException):
        def __init__(self, name, text):
            super().__init__(text, name=name if "." in name else f"{NAME}.Error.{name}")

    class Service(dbus.service.Object):
        def __init__(self, bus):
            super().__init__(bus, PATH)
            self.options = {}

        @dbus.service.method(NAME + ".Manager", out_signature="aa{sv}")
        def ListScanouts(self):
            if mode == "silent-death":
                os._exit(1)
            if mode == "version":
                raise Error("org.freedesktop.DBus.Error.UnknownMethod", "no such method")
            return dbus.Array(scanouts, "a{sv}")

        @dbus.service.method(NAME + ".Manager", in_signature="s")
        def ReleaseScanout(self, lease_id):
            if lease_id != f"card0-Virtual-2#{BIG}":
                raise Error("ScanoutBusy", f"'{lease_id}' is not that lease.")
            self.ScanoutEnded(PATH + "/card0_2dVirtual_2d2", "released")

        @dbus.service.method(NAME + ".Manager", in_signature="a{sv}", out_signature="hoa{sv}")
        def RequestScanout(self, options):
            self.options = options
            if options.get("label") == "full":
                raise Error("NoFreeScanout", "All are leased. Wait with --timeout.")
            fd = os.open("/dev/null", os.O_RDWR)
            info = {"id": "card0-Virtual-1", "index": dbus.UInt32(0), "device": "/dev/dri/card0",
                    "planes": dbus.Array([1, 2], "u"), "mode": dbus.Struct((1, 2, 3))}
            if mode == "garbage":
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
            if mode == "garbage":
                return {"Version": 5}
            return {"Version": "0", "Free": dbus.UInt32(1), "Total": dbus.UInt32(len(scanouts)),
                    "Paused": mode == "paused"}

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
            self.PropertiesChanged(interface, {"State": "leased", "Holder": pod,
                                               "Label": ""}, ["Width"])
            self.InterfacesAdded(path, {"org.freedesktop.DBus.Peer": {}, interface: scanout(1)})
            self.InterfacesRemoved(path, [interface])

    bus = dbus.bus.BusConnection(os.environ["DBUS_SYSTEM_BUS_ADDRESS"], mainloop=DBusGMainLoop())
    service = Service(bus)
    bus.request_name(NAME)
    assert service
    print("serving", flush=True)
    GLib.MainLoop().run()


class Bus:
    """A private bus, and the fake service on it unless mode is None."""

    def __init__(self, mode, deny=""):
        self.dir = tempfile.TemporaryDirectory()
        with open(self.dir.name + "/conf", "w") as f:
            f.write(BUS_CONFIG.format(dir=self.dir.name, deny=deny))
        self.daemon = subprocess.Popen(
            ["dbus-daemon", "--nofork", "--print-address", f"--config-file={self.dir.name}/conf"],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.address = self.daemon.stdout.readline().strip()
        self.env = {**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": self.address}
        self.service = None
        if mode:
            self.start(mode)

    def start(self, mode):
        self.service = subprocess.Popen([sys.executable, __file__, "--serve", mode], env=self.env,
                                        stdout=subprocess.PIPE, text=True)
        assert self.service.stdout.readline() == "serving\n"

    def stop_service(self):
        self.service.kill()
        self.service.wait()
        self.service.stdout.close()
        self.service = None

    def ctl(self, *args, **kwargs):
        kwargs.setdefault("env", self.env)
        kwargs.setdefault("timeout", 60)
        return subprocess.run([SCANOUTCTL, *args], capture_output=True, text=True, **kwargs)

    @contextlib.contextmanager
    def monitor(self, *args):
        """A running monitor; whatever the test does with it, it is gone afterwards."""
        with subprocess.Popen([SCANOUTCTL, "monitor", *args], env=self.env, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE) as monitor:
            watchdog = threading.Timer(30, monitor.kill)
            watchdog.start()
            try:
                yield monitor
                monitor.wait(20)
            finally:
                watchdog.cancel()
                monitor.kill()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        if self.service:
            self.stop_service()
        self.daemon.kill()
        self.daemon.wait()
        self.daemon.stdout.close()
        self.dir.cleanup()


class Case(unittest.TestCase):
    def check(self, result, code, error=None):
        self.assertEqual(result.returncode, code, result.stderr)
        self.assertNotIn("AddressSanitizer", result.stderr)
        self.assertNotIn("runtime error", result.stderr)
        if error:
            self.assertIn(f"scanoutctl: {error}: ", result.stderr)
            self.assertEqual(result.stdout, "")


class Normal(Case):
    def setUp(self):
        self.bus = Bus("normal")
        self.addCleanup(self.bus.__exit__)
        self.ctl = self.bus.ctl

    def test_list_is_an_aligned_table(self):
        result = self.ctl("list")
        self.check(result, 0)
        self.assertEqual(result.stderr, "")
        lines = result.stdout.splitlines()
        self.assertEqual(len(lines), 7)
        self.assertEqual(lines[0].split(),
                         "SCANOUT INDEX STATE LABEL HOLDER MODE SINCE".split())
        column = lines[0].index("HOLDER")
        self.assertTrue(lines[2][column:].startswith("podman:1a2b3c4d5e6f uid 1000 pid 812  "))
        self.assertTrue(lines[3][column:].startswith("kiosk.service uid 0 pid 9  "))
        self.assertTrue(lines[4][column:].startswith("uid 0 pid 123  "))
        self.assertTrue(lines[2].endswith("  1920x1080@60  3 min"), lines[2])
        self.assertNotIn("\033", result.stdout)

    def test_list_json_keeps_every_digit_and_unknown_keys(self):
        for args in (("list", "--json"), ("--json", "list"), ("-j", "list")):
            result = self.ctl(*args)
            self.check(result, 0)
        rows = json.loads(result.stdout)["scanouts"]
        self.assertEqual(list(rows[0])[:7],
                         ["id", "device", "index", "state", "reason", "label", "holder"])
        self.assertIsNone(rows[0]["holder"])
        self.assertEqual(rows[0]["since"], 0)
        self.assertEqual(rows[1]["holder"], {"uid": 1000, "pid": 812, "container": CONTAINER,
                                             "engine": "podman", "unit": "x.scope"})
        self.assertEqual(rows[1]["generation"], BIG)
        self.assertEqual(rows[1]["planes"], [33, 34])
        self.assertEqual(rows[5]["new_thing"], [1, "a"])

    def test_status_by_id_label_and_index(self):
        for name in ("card0-Virtual-2", "desk", "1"):
            result = self.ctl("status", name)
            self.check(result, 0)
            self.assertIn("id:         card0-Virtual-2\n", result.stdout)
            self.assertIn(f"container:  {CONTAINER}\n", result.stdout)
            self.assertIn("mode:       1920x1080@60\n", result.stdout)
        result = self.ctl("status", "desk", "-j")
        self.assertEqual(json.loads(result.stdout)["id"], "card0-Virtual-2")

    def test_ambiguous_and_unknown_names(self):
        result = self.ctl("status", "twin")
        self.check(result, 1, "AmbiguousScanout")
        self.assertIn("card0-Virtual-3, card0-Virtual-4", result.stderr)
        # a label that looks like another scanout's index
        self.check(self.ctl("status", "4"), 1, "AmbiguousScanout")
        for name in ("99", "", "-1", "no", "99999999999999999999999"):
            self.check(self.ctl("status", "--", name), 1, "NoSuchScanout")

    def test_release_names_the_generation(self):
        result = self.ctl("release", "desk", "--json")
        self.check(result, 0)
        self.assertEqual(json.loads(result.stdout), {"released": "card0-Virtual-2"})
        result = self.ctl("--json", "release", "card0-Virtual-2#3")
        self.check(result, 1)
        error = json.loads(result.stderr)
        self.assertEqual(error, {"error": "ScanoutBusy",
                                 "message": "'card0-Virtual-2#3' is not that lease."})
        self.check(self.ctl("release", "card0-Virtual-1"), 1, "NoSuchScanout")

    def request(self, *args, command=("env",), **kwargs):
        return self.ctl("request", *args, "--", *command, **kwargs)

    def test_request_hands_over_the_lease_and_nothing_else(self):
        show = "env | grep -E '^SCANOUT_(ID|INDEX|DEVICE|LEASE_FD|SPARE_FD)=' | sort; ls /proc/$$/fd; readlink /proc/$$/fd/$SCANOUT_LEASE_FD"
        result = self.request(command=("sh", "-c", show),
                              env={**self.bus.env, "SCANOUT_SPARE_FD": "9"})
        self.check(result, 0)
        self.assertEqual(result.stdout.split(), [
            "SCANOUT_DEVICE=/dev/dri/card0", "SCANOUT_ID=card0-Virtual-1", "SCANOUT_INDEX=0",
            "SCANOUT_LEASE_FD=" + re.search(r"LEASE_FD=(\d+)", result.stdout)[1],
            "0", "1", "2", re.search(r"LEASE_FD=(\d+)", result.stdout)[1], "/dev/null"])

    def test_request_spare(self):
        result = self.request("--spare", command=("sh", "-c", "ls /proc/$$/fd; "
                              "test $SCANOUT_SPARE_FD -ne $SCANOUT_LEASE_FD && echo two"))
        self.check(result, 0)
        self.assertEqual(len(result.stdout.split()), 6)
        self.assertEqual(result.stdout.split()[-1], "two")

    def test_request_without_standard_files(self):
        script = f"exec {SCANOUTCTL} request -- sh -c 'test $SCANOUT_LEASE_FD -gt 2' <&- >&- 2>&-"
        result = subprocess.run(["sh", "-c", script], env=self.bus.env, timeout=60)
        self.assertEqual(result.returncode, 0)

    def test_request_passes_options_and_status(self):
        with self.bus.monitor("--json") as monitor:
            self.assertEqual(json.loads(monitor.stdout.readline())["event"], "watching")
            result = self.request("--label", "a", "--scanout", "b", "--timeout", "500ms", "--size",
                                  "800x600@59.94", "--takeover", "--linger", "1min",
                                  command=("sh", "-c", "exit 7"))
            event = json.loads(monitor.stdout.readline())
            self.request("--timeout", "infinity", command=("true",))
            endless = json.loads(monitor.stdout.readline())
            monitor.terminate()
        self.check(result, 7)
        wanted = {"label": "a", "scanout": "b", "timeout": 500000, "width": 800, "height": 600,
                  "refresh": 59940, "takeover": True, "linger": 60 * 10**6}
        self.assertEqual({k[7:]: v for k, v in event["info"].items() if k.startswith("option-")},
                         wanted)
        self.assertEqual((event["event"], event["id"]), ("leased", "card0-Virtual-1"))
        self.assertEqual(endless["info"]["option-timeout"], 86400 * 10**6)

    def test_request_refused_missing_or_not_executable(self):
        self.check(self.request("--label", "full"), 1, "NoFreeScanout")
        self.check(self.request(command=("/no/such",)), 127, "CommandNotFound")
        self.check(self.request(command=("/etc/passwd",)), 126, "NotExecutable")

    def test_cdi_describes_what_can_be_leased(self):
        result = self.ctl("cdi", "--output", "-", "--seats", "/seats")
        self.check(result, 0)
        spec = json.loads(result.stdout)
        self.assertEqual((spec["cdiVersion"], spec["kind"]), ("0.5.0", "scanoutd.org/scanout"))
        devices = {device["name"]: device["containerEdits"] for device in spec["devices"]}
        names = [f"card0-Virtual-{n}" for n in (1, 2, 3, 4, 5, 6)] + ["any-card0", "any"]
        self.assertEqual([name for name in devices if name != "software"], names)
        # as the library of podman 4.3 has it
        for name in devices:
            self.assertRegex(name, r"^[A-Za-z0-9]([A-Za-z0-9_.:-]*[A-Za-z0-9])?$")
        two = devices["card0-Virtual-2"]
        self.assertIn("XDG_SESSION_ID=card0Virtual2", two["env"])
        self.assertIn("SCANOUT_ID=card0-Virtual-2", two["env"])
        self.assertIn("SCANOUT_INDEX=1", two["env"])
        self.assertEqual(two["deviceNodes"][0],
                         {"path": "/dev/dri/card0", "permissions": "m", "fileMode": 0})
        self.assertEqual({m["containerPath"]: m["hostPath"] for m in two["mounts"]}, {
            "/run/scanout": "/seats/card0-Virtual-2", "/run/udev": "/seats/card0-Virtual-2/udev",
            "/run/systemd/sessions/card0Virtual2":
                "/seats/card0-Virtual-2/systemd/sessions/card0Virtual2"})
        for mount in two["mounts"]:
            self.assertIn("ro", mount["options"])
        self.assertIn("XDG_SESSION_ID=anycard0", devices["any"]["env"])
        self.assertFalse([e for e in devices["any"]["env"] if e.startswith("SCANOUT_ID=")])
        self.assertEqual(devices["any"], devices["any-card0"])
        env = spec["containerEdits"]["env"]
        self.assertIn("DBUS_SYSTEM_BUS_ADDRESS=unix:path=/run/scanout/bus", env)
        self.assertIn("SEATD_SOCK=/run/scanout/seatd.sock", env)

    def test_cdi_writes_nothing_that_points_nowhere(self):
        """Here is no such card, or nobody may write: the old file stays, no draft is left."""
        with tempfile.TemporaryDirectory() as folder:
            path = folder + "/cdi/scanoutd.json"
            os.mkdir(folder + "/cdi")
            with open(path, "w") as f:
                f.write("old")
            for seats in (folder + "/seats", "/proc/nowhere"):
                result = self.ctl("cdi", "--output", path, "--seats", seats)
                self.check(result, 1)
                self.assertRegex(result.stderr, "DeviceGone|OutputFailed")
            self.assertEqual(os.listdir(folder + "/cdi"), ["scanoutd.json"])
            with open(path) as f:
                self.assertEqual(f.read(), "old")

    def test_usage_errors(self):
        for args in ((), ("frob",), ("list", "x"), ("list", "--frob"), ("list", "-x"),
                     ("status",), ("status", "a", "b"), ("release",), ("request",),
                     ("request", "--"), ("request", "--timeout", "soon", "--", "true"),
                     ("request", "--timeout", "-1", "--", "true"), ("request", "--timeout"),
                     ("request", "--size", "1x", "--", "true"), ("--address",),
                     ("request", "--size", "99999x1", "--", "true"), ("monitor", "x"),
                     ("request", "--timeout", "9999999999999h", "true"), ("doctor", "x"),
                     ("cdi", "x"), ("cdi", "--output"), ("cdi", "--output", ""),
                     ("cdi", "--seats", "relative")):
            result = self.ctl(*args)
            self.check(result, 2)
            self.assertRegex(result.stderr, r"^scanoutctl: .*\.\n(Usage|Type): ")
            result = self.ctl("--json", *args)
            self.check(result, 2)
            self.assertEqual(json.loads(result.stderr)["error"], "Usage")

    def test_help_and_version(self):
        for args in (("--help",), ("-h",), ("list", "--help"), ("request", "-h"), ("--version",)):
            result = self.ctl(*args)
            self.check(result, 0)
            self.assertRegex(result.stdout, "^(Usage: )?scanoutctl ")

    def test_monitor_text_and_daemon_restart(self):
        with self.bus.monitor() as monitor:
            self.assertIn("scanoutd is running", monitor.stdout.readline())
            self.ctl("release", "desk")
            self.assertRegex(monitor.stdout.readline(),
                             r"^\d{4}-\d\d-\d\d .*  ended +card0-Virtual-2 reason=released\n$")
            subprocess.run(["dbus-send", "--print-reply", f"--bus={self.bus.address}", f"--dest={NAME}", PATH,
                            NAME + ".Test.EmitAll"], check=True, stdout=subprocess.DEVNULL)
            self.assertIn('state=leased holder="podman:1a2b3c4d5e6f uid 1000 pid 812" label=""',
                          monitor.stdout.readline())
            self.assertIn("added       card0-Virtual-2 state=free", monitor.stdout.readline())
            self.assertIn("removed     card0-Virtual-2", monitor.stdout.readline())
            self.bus.stop_service()
            self.assertIn("went away", monitor.stdout.readline())
            self.bus.start("normal")
            self.assertIn("is back", monitor.stdout.readline())
            monitor.send_signal(signal.SIGINT)
        self.assertEqual(monitor.returncode, 0)

    def test_monitor_ends_with_its_reader_or_its_bus(self):
        with self.bus.monitor() as monitor:
            monitor.stdout.readline()
            monitor.stdout.close()
            self.assertEqual(monitor.wait(10), 0)
        with self.bus.monitor() as monitor:
            monitor.stdout.readline()
            self.bus.daemon.kill()
            self.assertEqual(monitor.wait(10), 3)
            self.assertIn("Disconnected", monitor.stderr.read())

    def test_output_that_cannot_be_written(self):
        for args in (("list",), ("list", "--json"), ("--help",), ("monitor",)):
            with open("/dev/full", "w") as full:
                result = subprocess.run([SCANOUTCTL, *args], env=self.bus.env, text=True,
                                        stdout=full, stderr=subprocess.PIPE, timeout=20)
            self.assertEqual(result.returncode, 1, args)
            self.assertIn("OutputFailed", result.stderr)

    def test_doctor_names_the_stuck_scanout(self):
        result = self.ctl("doctor", "--json")
        self.check(result, 1)
        report = json.loads(result.stdout)
        self.assertFalse(report["ok"])
        stuck = [c for c in report["checks"] if c["check"] == "card0-Virtual-5"]
        self.assertEqual(stuck[0]["result"], "fail")
        self.assertIn("its CRTC does not blank", stuck[0]["message"])
        self.assertRegex(self.ctl("doctor").stdout, r"(?m)^FAIL  card0-Virtual-5 +stuck: its CRTC")


class Paused(Case):
    def setUp(self):
        self.bus = Bus("paused")
        self.addCleanup(self.bus.__exit__)
        self.ctl = self.bus.ctl

    def test_list_says_so(self):
        result = self.ctl("list")
        self.check(result, 0)
        self.assertEqual(len(result.stdout.splitlines()), 3)
        self.assertIn("Paused: another session has the seat", result.stderr)
        self.assertIs(json.loads(self.ctl("list", "--json").stdout)["paused"], True)

    def test_doctor_says_so_and_minds_no_picture_that_lingers(self):
        result = self.ctl("doctor")
        self.assertRegex(result.stdout, r"(?m)^warn  seat +Paused: another session has the seat")
        self.assertNotIn("still draining", result.stdout)

    def test_status_tells_how_long_a_picture_lingers(self):
        self.assertIn("linger:     1.5 s\n", self.ctl("status", "desk").stdout)
        self.assertIn("linger:     5 s\n", self.ctl("status", "1").stdout)


class Unhappy(Case):
    def test_cdi_with_several_cards(self):
        """One device each for any scanout of a card that has some, and none for any of any card:
        which card's node a container gets is settled before."""
        with Bus("cards") as bus:
            spec = json.loads(bus.ctl("cdi", "--output", "-", "--seats", "/seats").stdout)
        devices = {device["name"]: device["containerEdits"] for device in spec["devices"]}
        self.assertEqual([name for name in devices if name != "software"],
                         ["card0-Virtual-1", "card0-Virtual-2", "card1-Virtual-3", "any-card0",
                          "any-card1"])
        one = devices["any-card1"]
        self.assertEqual(one["deviceNodes"][0]["path"], "/dev/dri/card1")
        self.assertIn("WLR_DRM_DEVICES=/dev/dri/card1", one["env"])
        self.assertIn({"hostPath": "/seats/any-card1", "containerPath": "/run/scanout",
                       "options": ["bind", "ro", "nosuid", "nodev", "noexec"]}, one["mounts"])

    def test_no_bus(self):
        env = {**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": "unix:path=/nonexistent/bus"}
        for args in (("list",), ("status", "x"), ("release", "x"), ("request", "true"),
                     ("monitor",)):
            result = subprocess.run([SCANOUTCTL, *args], env=env, capture_output=True, text=True)
            self.check(result, 3, "BusUnreachable")
        result = subprocess.run([SCANOUTCTL, "doctor"], env=env, capture_output=True, text=True)
        self.check(result, 1)
        self.assertRegex(result.stdout, r"(?m)^FAIL  bus ")
        result = subprocess.run([SCANOUTCTL, "--address", "junk", "list"], capture_output=True,
                                text=True)
        self.check(result, 3, "BusUnreachable")

    def test_no_daemon(self):
        with Bus(None) as bus:
            self.check(bus.ctl("list"), 3, "ServiceUnknown")
            self.check(bus.ctl("request", "--", "true"), 3, "ServiceUnknown")
            result = bus.ctl("doctor")
            self.check(result, 1)
            self.assertRegex(result.stdout, r"(?m)^FAIL  name +Nobody owns")
            with bus.monitor() as monitor:
                self.assertIn("not running yet", monitor.stdout.readline())
                monitor.terminate()
            self.assertEqual(monitor.returncode, 0)

    def test_denied(self):
        with Bus("normal", DENY) as bus:
            result = bus.ctl("list")
            self.check(result, 1, "AccessDenied")
            self.assertIn("usermod -aG scanout", result.stderr)
            result = bus.ctl("doctor")
            self.check(result, 1)
            self.assertRegex(result.stdout, r"(?m)^FAIL  daemon +AccessDenied: .*usermod")

    def test_daemon_dies_in_the_call(self):
        with Bus("silent-death") as bus:
            self.check(bus.ctl("list"), 3, "NoReply")

    def test_other_version(self):
        with Bus("version") as bus:
            self.check(bus.ctl("list"), 1, "UnknownMethod")

    def test_empty(self):
        with Bus("empty") as bus:
            self.check(bus.ctl("cdi", "--output", "-"), 1, "NoSuchScanout")
            result = bus.ctl("list")
            self.check(result, 0)
            self.assertIn("scanoutctl doctor", result.stderr)
            self.assertEqual(json.loads(bus.ctl("list", "-j").stdout), {"scanouts": [], "paused": False})

    def test_garbage(self):
        with Bus("garbage") as bus:
            result = bus.ctl("list", "--json")
            self.check(result, 0)
            rows = json.loads(result.stdout)["scanouts"]
            for row in rows:
                self.assertIsInstance(row["id"], str)
                self.assertIsInstance(row["index"], int)
                self.assertIsInstance(row["state"], str)
                self.assertIsNone(row["holder"])
            self.assertEqual(rows[2]["since"], 2**64 - 1)
            self.assertEqual(rows[2]["deep"], {"1": [[3]]})
            self.assertEqual((rows[2]["low"], rows[2]["num"], rows[2]["yes"]), (-5, 1.5, True))
            result = bus.ctl("list")
            self.check(result, 0)
            self.assertNotIn("\033", result.stdout)
            self.assertEqual(len(result.stdout.splitlines()), 4)
            self.check(bus.ctl("status", "card9-é"), 0)
            self.check(bus.ctl("cdi", "--output", "-"), 1, "NoSuchScanout")
            self.check(bus.ctl("request", "--", "true"), 3, "BadReply")
            self.check(bus.ctl("doctor"), 1)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve(sys.argv[2])
    else:
        unittest.main()
