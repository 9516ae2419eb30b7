#!/usr/bin/python3
"""scanoutctl cdi: what container engines read to mount a seat."""
import json
import os
import shutil
import subprocess
import tempfile
import unittest

from rig import SCANOUTCTL, Bus, Case


class Cdi(Case):
    mode = "normal"

    def test_cdi_describes_what_can_be_leased(self):
        result = self.ctl("cdi", "--output", "-", "--seats", "/seats")
        self.check(result, 0)
        spec = json.loads(result.stdout)
        self.assertEqual((spec["cdiVersion"], spec["kind"]), ("0.5.0", "scanoutd.org/scanout"))
        devices = {device["name"]: device["containerEdits"] for device in spec["devices"]}
        names = [f"card0-Virtual-{n}" for n in (1, 2, 3, 4, 5, 6)]
        names += ["any-card0", "open-card0", "any"]
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
        # The seat's bus gives no names, which is worse for an application than no bus.
        self.assertFalse([e for e in env if e.startswith("DBUS_SESSION_BUS_ADDRESS=")])

    def test_cdi_open(self):
        """A node that anybody in the container may open, and nothing else."""
        spec = json.loads(self.ctl("cdi", "--output", "-").stdout)
        device = next(d for d in spec["devices"] if d["name"] == "open-card0")
        self.assertEqual(device["containerEdits"], {"deviceNodes": [
            {"path": "/dev/dri/card0", "permissions": "rw", "fileMode": 0o666}]})

    def test_cdi_software(self):
        """What wlroots needs without a GPU. What it draws with is not said over the container's head
        but to the library."""
        with tempfile.TemporaryDirectory() as folder:
            program, library = folder + "/scanoutctl", folder + "/libscanout-preload.so"
            shutil.copy(SCANOUTCTL, program)
            open(library, "w").close()
            said = self.ctl("cdi", "--output", "-", executable=program)
        spec = json.loads(said.stdout)
        software = next(d["containerEdits"] for d in spec["devices"] if d["name"] == "software")
        self.assertEqual(software["mounts"], [{
            "hostPath": library, "containerPath": "/run/scanout-preload.so",
            "options": ["bind", "ro", "nosuid", "nodev"]}])
        self.assertEqual(software["env"], ["LD_PRELOAD=/run/scanout-preload.so",
                                           "SCANOUT_SPARE=/run/scanout/spare",
                                           "SCANOUT_RENDERER=pixman"])
        self.assertFalse([e for e in spec["containerEdits"]["env"] if "WLR_RENDERER" in e])

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


class Seats(Case):
    """The card of three scanouts is there, that of a fourth is gone."""
    mode = "nodes"
    good = ["card0-Virtual-1", "card0-Virtual-2", "card0-Virtual-3", "any-null", "open-null",
            "open-card1"]

    def setUp(self):
        super().setUp()
        self.folder = self.bus.dir.name
        self.seats = self.folder + "/seats"
        self.spec = self.folder + "/cdi/scanoutd.json"

    def cdi(self, *options, code=1):
        result = self.ctl("cdi", "--output", self.spec, "--seats", self.seats, *options)
        self.check(result, code)
        return result

    def described(self):
        with open(self.spec) as f:
            devices = [device["name"] for device in json.load(f)["devices"]]
        return [name for name in devices if name != "software"]

    def good_without(self, *bad):
        return [name for name in self.good if name not in bad]

    def place_of(self, seat):
        return f"{self.seats}/{seat}/systemd/sessions/{seat.replace('-', '')}"

    def test_a_bad_seat_is_left_out(self):
        """The others are described all the same; what is wrong is told, with what to type."""
        os.makedirs(self.place_of("card0-Virtual-2") + "/full")
        result = self.cdi()
        self.assertIn("DeviceGone: There is no card '/dev/gone/card1' here", result.stderr)
        self.assertIn("card0-Virtual-2 cannot be written to (Directory not empty): something else "
                      f"is in its place. Type: rm -r {self.seats}/card0-Virtual-2; systemctl "
                      "restart scanout-cdi", result.stderr)
        self.assertEqual(self.described(), self.good_without("card0-Virtual-2"))

    def test_what_docker_left_is_replaced(self):
        """An engine that is started before makes an empty folder of each file that it was to
        mount."""
        place = self.place_of("card0-Virtual-2")
        os.makedirs(place)
        self.cdi()
        with open(place) as f:
            self.assertIn("ACTIVE=1", f.read())
        self.assertEqual(self.described(), self.good)

    def test_sockets_are_waited_for(self):
        """All are started at once; what is described is there. Those that do not start are left
        out."""
        result = self.cdi("--start")
        jobs = subprocess.run(["busctl", f"--address={self.bus.address}", "call",
                               "org.freedesktop.systemd1", "/org/freedesktop/systemd1",
                               "org.freedesktop.systemd1.Manager", "Jobs"],
                              capture_output=True, text=True).stdout
        self.assertEqual(jobs, "uu 3 3\n")
        self.assertEqual(self.described(),
                         self.good_without("card0-Virtual-2", "card0-Virtual-3"))
        self.assertIn("NotStarted: The seat's socket cannot be started: failed. Type: systemctl "
                      "status scanout-seat@card0-Virtual-2.socket", result.stderr)
        self.assertIn("Unit scanout-seat@card0-Virtual-3.socket not found.", result.stderr)


class Late(Case):
    def test_a_card_is_waited_for(self):
        """With --wait the description is written when there is something to describe; without,
        and after the time, it is refused."""
        with Bus("late") as bus:
            self.check(bus.ctl("cdi", "--output", "-"), 1, "NoSuchScanout")
            result = bus.ctl("cdi", "--output", "-", "--wait", "1h")
            self.check(result, 0)
            self.assertIn("card0-Virtual-1", result.stdout)
        with Bus("empty") as bus:
            self.check(bus.ctl("cdi", "--output", "-", "--wait", "100ms"), 1, "NoSuchScanout")
            self.check(bus.ctl("cdi", "--wait", "soon"), 2)


class Cards(Case):
    def test_cdi_with_several_cards(self):
        """One device each for any scanout of a card that has some, and none for any of any card:
        which card's node a container gets is settled before."""
        with Bus("cards") as bus:
            spec = json.loads(bus.ctl("cdi", "--output", "-", "--seats", "/seats").stdout)
        devices = {device["name"]: device["containerEdits"] for device in spec["devices"]}
        self.assertEqual([name for name in devices if name != "software"],
                         ["card0-Virtual-1", "card0-Virtual-2", "card1-Virtual-3", "any-card0",
                          "open-card0", "any-card1", "open-card1"])
        one = devices["any-card1"]
        self.assertEqual(one["deviceNodes"][0]["path"], "/dev/dri/card1")
        self.assertIn("WLR_DRM_DEVICES=/dev/dri/card1", one["env"])
        self.assertIn({"hostPath": "/seats/any-card1", "containerPath": "/run/scanout",
                       "options": ["bind", "ro", "nosuid", "nodev", "noexec"]}, one["mounts"])


if __name__ == "__main__":
    unittest.main()
